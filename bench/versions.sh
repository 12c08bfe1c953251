#!/bin/bash
# This version beside another one in one run: accept to submit_sm, and whole trips, in turn, and their ratios.
#   versions.sh CHECKOUT [REPS]
# CHECKOUT is a folder with the other version and its environment (.venv). A third gateway is this version with rate
# limits that are never reached and an Idempotency-Key on each request. Results go to bench/run/versions-*.jsonl.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: versions.sh CHECKOUT [REPS]" >&2; exit 2; }
other=$(realpath "$1")
reps=${2:-3}
cd "$(dirname "$0")"
[ -x "$other/.venv/bin/trunkline" ] || { echo "$other has no .venv: run ./test there, or uv sync" >&2; exit 2; }
mkdir -p run
kit/install.sh --kannel-only run/kit >/dev/null
out=run/versions-$(date +%Y%m%d-%H%M%S).jsonl

# gateway NAME SCRIPT [ENVIRONMENT]: its description for the driver, made from the one of `trunkline`.
gateway() {
  python3 - "$@" <<'PY'
import json, pathlib, sys
name, script, environment = (*sys.argv[1:], "")[:3]
folder = pathlib.Path("run").resolve()
made = json.loads(pathlib.Path("run/kit/conf/gw/trunkline.json").read_text())
start = f"env {environment} bash {script}" if environment else f"bash {script}"
made["params"] |= {
    "SETUP": f"{start} --setup-only {folder}/{name}", "START": f"{start} {folder}/{name}",
    "ENV_FILE": f"{folder}/{name}/bench.env", "FROM": "12345", "BINDS": "4",
}
if name == "keyed":
    made["headers"].append("Idempotency-Key: {i}")
pathlib.Path(f"run/kit/conf/gw/{name}.json").write_text(json.dumps(made, indent=1))
PY
}
gateway before "$other/bench/gateway.sh"
gateway now "$PWD/gateway.sh"
gateway keyed "$PWD/gateway.sh" RATE_PER_S=100000

driver=run/kit/tools/bench.py
orders=(before,now,keyed keyed,before,now now,keyed,before) # in turn: what comes before a gateway makes a tenth
for test in e2e dlr1; do # each on new databases: the two give the same keys to different requests
  for ((rep = 0; rep < reps; rep++)); do
    python3 "$driver" run --gw "${orders[rep % 3]}" --tests "$test" --reps 1 --count 60000 --dlr-delay 500 --out "$out"
  done
done
python3 "$driver" table --short "$out"
python3 ratios.py "$out" --over before
echo "results: bench/$out"

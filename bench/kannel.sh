#!/bin/bash
# The comparison with Kannel on this machine: same carrier, load and sink, gateways in turn, the medians and their ratios.
#   kannel.sh run [REPS]     whole trips and latency (about 2 minutes a repetition)
#   kannel.sh kill [REPS]    kill -9 at full load: what was accepted and lost, what was sent twice
# Needs gcc and Kannel 1.4.5; on Debian, root gets them by apt. Results are appended to bench/run/*.jsonl of the day.
set -euo pipefail
cd "$(dirname "$0")"
what=${1:-run}
reps=${2:-3}
mkdir -p run
kit/install.sh --kannel-only run/kit >/dev/null
gateway=$PWD/gateway.sh
folder=$PWD/run/gateway
driver=run/kit/tools/bench.py
out=run/$what-$(date +%Y%m%d-%H%M%S).jsonl
ours=(
  --set "SETUP=$gateway --setup-only $folder"
  --set "START=$gateway $folder"
  --set "ENV_FILE=$folder/bench.env"
  --set FROM=12345
  --set BINDS=4
)

case $what in
  run)
    python3 "$driver" run --gw kannel-default,trunkline --tests e2e,dlr1,idle,idledlr --reps "$reps" \
      --dlr-delay 500 --out "$out" "${ours[@]}"
    python3 "$driver" table --short "$out"
    python3 ratios.py "$out"
    ;;
  kill)
    kill=(kill --reps "$reps" --resp-delay 100 --kill-after 2 --dlr --dlr-delay 200)
    python3 "$driver" "${kill[@]}" --gw kannel-default,kannel-spool --out "$out"
    for mode in at_least_once at_most_once; do
      echo "trunkline, $mode:"
      MODE=$mode python3 "$driver" "${kill[@]}" --gw trunkline --set KILL_WAIT=60 --out "$out.$mode" "${ours[@]}"
      sed "s/\"gw\": \"trunkline\"/\"gw\": \"trunkline $mode\"/" "$out.$mode" >>"$out"
      rm "$out.$mode"
    done
    python3 "$driver" table --short "$out"
    ;;
  *)
    echo "usage: kannel.sh run|kill [REPS]" >&2
    exit 2
    ;;
esac
echo "results: bench/$out"

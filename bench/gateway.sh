#!/bin/bash
# Lays an empty installation for the benchmarks in DIR and runs it on port 3000, in the foreground.
#   gateway.sh [--setup-only] DIR
# With --setup-only whatever installation DIR held goes, and the new one is not started; without it, the one in DIR is
# started, and laid first if there is none. DIR/bench.env then holds TOKEN=… and PLAN=….
# MODE=at_most_once: messages whose submission was cut off end UNKNOWN instead of being sent once more.
# RATE_PER_S=N: rate limits of the account and of the plan; without it there are none.
set -euo pipefail
setup_only=
if [ "${1:-}" = --setup-only ]; then setup_only=1; shift; fi
[ $# = 1 ] || { echo "usage: gateway.sh [--setup-only] DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath -m "$1")
trunkline=${TRUNKLINE_COMMAND:-$here/../.venv/bin/trunkline}
mode=${MODE:-at_least_once}
case $mode in at_least_once | at_most_once) ;; *) echo "MODE is at_least_once or at_most_once" >&2; exit 2 ;; esac

# What is set around us is not the benchmark's.
unset DATABASE_URL TRUNKLINE_COMMAND $(compgen -e TRUNKLINE_ || true)
export TRUNKLINE_DATA_DIR=$dir/data TRUNKLINE_HTTP_PORT=3000 TRUNKLINE_METRICS_PORT=-1
export TRUNKLINE_CALLBACK_ALLOW_HTTP=true TRUNKLINE_CALLBACK_ALLOWED_NETWORKS=127.0.0.0/8

lay() {
  if [ -e "$dir" ] && [ ! -e "$dir/.bench" ] && [ -n "$(ls -A "$dir")" ]; then
    echo "$dir holds something else: give a folder that is empty, or not there" >&2
    exit 2
  fi
  local moved # where root's database lies, if the folder here could not be used
  moved=$(cat "$dir/data/postgresql/moved-to" 2>/dev/null || true)
  if [ -n "$moved" ] && [ -e "$moved/launcher.json" ]; then rm -rf -- "$moved"; fi
  rm -rf -- "$dir"
  mkdir -p "$dir"
  touch "$dir/.bench"
  sed -e "s/^submit = .*/submit = \"$mode\"/" -e "s/^rate_per_s = .*/rate_per_s = ${RATE_PER_S:-\"unlimited\"}/" "$here/installation.toml" >"$dir/installation.toml"
  BENCH_CARRIER_PASSWORD=bench "$trunkline" apply "$dir/installation.toml" >/dev/null
  token=$("$trunkline" token issue --account bench --label bench 2>/dev/null)
  printf 'TOKEN=%s\nPLAN=%s\n' "$token" "$(sed -n 's/^id = "\(.*\)"/\1/p' "$here/installation.toml")" >"$dir/bench.env"
}

if [ -n "$setup_only" ]; then
  lay
else
  [ -e "$dir/bench.env" ] || lay
  exec "$trunkline" serve
fi

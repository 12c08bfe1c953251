#!/bin/bash
# Lays the kit out in a folder of its own and builds it there; safe to repeat, and to be done again after a change in the kit.
#   install.sh [--layout-only|--kannel-only] [DIR]     DIR: the laid-out bench (default bench/run/kit)
# --layout-only: needs gcc and make. --kannel-only (and no flag): brings gcc and Kannel by apt where they are missing, as root on Debian.
set -euo pipefail
layout=; case ${1:-} in --layout-only) layout=1; shift;; --kannel-only) shift;; esac
src=$(cd "$(dirname "$0")" && pwd); dst=$(realpath -m "${1:-$src/../run/kit}")
[ "$dst" != "$src" ] || { echo "DIR must not be the kit itself" >&2; exit 2; }
if [ -z "$layout" ]; then
  need=; for p in gcc make libc6-dev kannel kannel-extras; do dpkg -s "$p" 2>/dev/null | grep -q '^Status: install ok installed' || need="$need $p"; done
  if [ -n "$need" ]; then   # policy-rc.d keeps apt from starting the services that it installs
    guard=; [ -e /usr/sbin/policy-rc.d ] || { guard=/usr/sbin/policy-rc.d; printf '#!/bin/sh\nexit 101\n' >$guard; chmod 755 $guard; trap 'rm -f $guard' EXIT; }
    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null
    [ -z "$guard" ] || { rm -f "$guard"; trap - EXIT; }
  fi
fi
mkdir -p "$dst" && cp -r "$src"/. "$dst"/
grep -rl '@ANCHOR@' "$dst/conf" "$dst/tools" | xargs -r sed -i "s#@ANCHOR@#$dst#g"
make -s -C "$dst/tools" && mkdir -p "$dst/run/kannel/spool" "$dst/run/out" "$dst/results"
echo "laid out: $dst"

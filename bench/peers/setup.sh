#!/usr/bin/env bash
# Sets up the peers of `npm run bench -- peers` (opacus, tf) and `npm run bench -- ranking` and `ranking-quality` (recbole, implicit, gorse): one pinned environment
# each, .venv-NAME beside this script (git-ignored).
#   bash bench/peers/setup.sh [opacus|tf|recbole|implicit|gorse]...     default: all of them
# A peer that cannot be installed is no reason to stop: the reason is kept, and the benchmark's table prints it.
# PYTHON: a Python 3.11 (TensorFlow 2.15 has none later). About 14 GB of disk; PyTorch comes with its CUDA libraries, which are not used.
# gorse: a Go toolchain of 1.22 or later.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}
failed=0

give_up() { # NAME REASON
  mkdir -p "$here/.venv-$1"
  printf '%s\n' "$2" >"$here/.venv-$1/failed.txt"
  echo "peers: $1 could not be installed: $2" >&2
  failed=1
}

names=("$@")
[ ${#names[@]} -gt 0 ] || names=(opacus tf recbole implicit gorse)
for name in "${names[@]}"; do
  home=$here/.venv-$name
  if [ "$name" = gorse ]; then
    if ! command -v go >/dev/null; then
      give_up gorse "no Go toolchain on this machine"
      continue
    fi
    mkdir -p "$home"
    rm -f "$home/failed.txt"
    if ! (cd "$here/gorse" && go build -o "$home/gorse-contestant" .) 2>"$home/build.log"; then
      give_up gorse "$(tail -n 1 "$home/build.log")"
      continue
    fi
    echo "peers: gorse ready ($(grep -o 'gorse v[0-9.]*' "$here/gorse/go.mod"))"
    continue
  fi
  requirements=$here/requirements-$name.txt
  if ! [ -f "$requirements" ]; then
    echo "peers: unknown peer $name (known: opacus, tf, recbole, implicit, gorse)" >&2
    exit 2
  fi
  rm -f "$home/failed.txt"
  if ! command -v "$python" >/dev/null; then
    give_up "$name" "$python is not on this machine (set PYTHON to a Python 3.11)"
    continue
  fi
  if ! [ -x "$home/bin/python" ] && ! "$python" -m venv "$home"; then
    give_up "$name" "$python -m venv failed"
    continue
  fi
  if ! "$home/bin/pip" install -q -r "$requirements" 2>"$home/pip.log"; then
    give_up "$name" "$(grep -m1 -i error "$home/pip.log" || tail -n 1 "$home/pip.log")"
    continue
  fi
  echo "peers: $name ready ($(tr '\n' ' ' <"$requirements"))"
done
exit $failed

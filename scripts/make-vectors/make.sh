#!/usr/bin/env bash
# Makes test/vectors/*.json again: one pinned Python environment per implementation, then its script. See README.md.
#   bash scripts/make-vectors/make.sh [accounting|autodp|opacus|jax|tensorflow]...
# TACET_VENVS: where the environments are kept (default bench/peers, as .venv-vectors-NAME: git-ignored).  PYTHON: a Python 3.11.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venvs=${TACET_VENVS:-$here/../../bench/peers}
python=${PYTHON:-python3.11}
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # the libraries' own choice of kernels

environment() { # NAME → the interpreter's path
  local name=$1 home=$venvs/.venv-vectors-$1
  if ! [ -x "$home/bin/python" ]; then
    "$python" -m venv "$home" >&2
  fi
  if ! cmp -s "$here/requirements-$name.txt" "$home/requirements.txt"; then
    "$home/bin/pip" install -q -r "$here/requirements-$name.txt" >&2 || {
      echo "make-vectors: $name: the packages of requirements-$name.txt could not be installed (see pip's message above)" >&2
      exit 1
    }
    cp "$here/requirements-$name.txt" "$home/requirements.txt"
  fi
  echo "$home/bin/python"
}

names=("$@")
[ ${#names[@]} -gt 0 ] || names=(accounting autodp opacus jax tensorflow)
for name in "${names[@]}"; do
  interpreter=$(environment "$name")
  case $name in
    accounting) scripts=(dp_accounting_vectors) ;;
    autodp) scripts=(autodp_vectors prv_vectors) ;;
    opacus) scripts=(opacus_vectors) ;;
    jax) scripts=(jax_privacy_vectors) ;;
    tensorflow) scripts=(tensorflow_privacy_vectors) ;;
    *) echo "make-vectors: unknown environment $name" >&2; exit 2 ;;
  esac
  for script in "${scripts[@]}"; do
    echo "== $script"
    "$interpreter" -W ignore "$here/$script.py" 2> >(grep -v WARNING >&2)
  done
done

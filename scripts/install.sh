#!/usr/bin/env bash
# Installs a lock into .venv, which is made with $PYTHON where there is none. Usage: install.sh LOCK
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

give_up() {
  echo "Headway: $1" >&2
  exit 1
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    give_up "$python is missing or older than Python 3.11. Name a newer one: make PYTHON=python3.12 ..."
  echo "Making .venv ..."
  rm -rf .venv
  if ! "$python" -m venv .venv; then
    rm -rf .venv # half made, it would look whole the next time
    give_up "$python made no virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
  fi
fi
echo "Installing $1 ..."
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$1" ||
  give_up "$1 was not installed; see above. Is the package index reachable?"

#!/usr/bin/env bash
# Fuzzes a running system, its JSON routes with schemathesis and its websockets, and the parsers with atheris. Needs the
# network once, for these two.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/fuzz

if [ ! "$own/installed" -nt requirements-fuzz.txt ]; then
  echo "Installing schemathesis and atheris into $own ..."
  .venv/bin/python -m venv --clear "$own"
  "$own/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
  touch "$own/installed"
fi
exec .venv/bin/python -m tests.fuzz "$@"

#!/usr/bin/env bash
# npm: this machine's, or, where Node 20 or newer is missing, one from the package index in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/node

if ! command -v npm >/dev/null || ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
  if [ ! "$own/installed" -nt requirements-node.txt ]; then
    echo "No Node 20 here: installing one into $own ..." >&2
    if ! { .venv/bin/python -m venv --clear "$own" &&
      "$own/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-node.txt; }; then
      echo "Headway: requirements-node.txt was not installed; see above. Is the package index reachable?" >&2
      exit 1
    fi
    touch "$own/installed"
  fi
  export PATH="$PWD/$own/bin:$PATH"
fi
exec npm "$@"

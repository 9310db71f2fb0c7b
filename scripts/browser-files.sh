#!/usr/bin/env bash
# Installs npm's lock and copies what package.json's "headway" names to static/vendor/. Usage: browser-files.sh [NPM FLAG]
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Installing the browser's files ..."
if ! scripts/npm.sh ci --ignore-scripts --no-audit --no-fund --loglevel=error "$@" >/dev/null; then
  echo "Headway: package-lock.json was not installed; see above. Is npm's registry reachable?" >&2
  exit 1
fi
mkdir -p static/vendor
.venv/bin/python - <<'PYTHON'
import json
import shutil
from pathlib import Path

for source, name in json.loads(Path("package.json").read_text())["headway"]["browserFiles"].items():
    shutil.copyfile(Path("node_modules", source), Path("static/vendor", name))
PYTHON

#!/usr/bin/env bash
# Looks for known vulnerabilities in all that the locks name, and at its licences; writes what Headway is made of to dist/
# (CycloneDX). Needs the network, and fails where one of these did not take place.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/audit
failed=()

if [ ! "$own/installed" -nt requirements-audit.txt ]; then
  echo "Installing what audits into $own ..."
  .venv/bin/python -m venv --clear "$own"
  "$own/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-audit.txt
  touch "$own/installed"
fi

run() {
  echo "== $1"
  shift
  "$@" || failed+=("$*")
}

for lock in requirements.txt requirements-dev.txt requirements-build.txt requirements-bench.txt requirements-node.txt \
  requirements-audit.txt requirements-fuzz.txt; do
  # --strict: a package that could not be looked up is no good news.
  run "pip-audit: $lock" "$own/bin/pip-audit" --strict --require-hashes --disable-pip --progress-spinner off -r "$lock"
done
run "npm audit" scripts/npm.sh audit
run "npm audit: bench" scripts/npm.sh --prefix bench audit
run "licences" .venv/bin/python scripts/licences.py
mkdir -p dist
run "SBOM: dist/sbom-python.json" "$own/bin/cyclonedx-py" requirements --output-reproducible -o dist/sbom-python.json \
  requirements.txt
run "SBOM: dist/sbom-browser.json" sh -c \
  'scripts/npm.sh sbom --package-lock-only --omit dev --sbom-format cyclonedx >dist/sbom-browser.json'

if [ ${#failed[@]} -gt 0 ]; then
  printf 'Headway: this failed: %s\n' "${failed[@]}" >&2
  exit 1
fi

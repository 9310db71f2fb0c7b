#!/usr/bin/env bash
# Checks the licences of all that the locks name, writes what Headway is made of to dist/ (CycloneDX), and then looks for known
# vulnerabilities. Only that needs the network, and fails where it did not take place.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/audit
failed=()

run() {
  echo "== $1"
  "${@:2}" || failed+=("$1")
}

# What a look-up that fails prints says whether it has found something.
look_up() {
  local what=$1 service=$2 found=$3 said
  echo "== known vulnerabilities: $what"
  if said=$("${@:4}" 2>&1); then
    echo "$said"
  elif grep -Eq "$found" <<<"$said"; then
    echo "$said"
    failed+=("known vulnerabilities: $what")
  else
    grep -v "complete log" <<<"$said" | tail -n 1
    failed+=("no vulnerability was looked up of $what: $service could not be reached, or did not answer as it should")
  fi
}

run "licences" .venv/bin/python scripts/licences.py
mkdir -p dist
run "SBOM: dist/sbom-browser.json" sh -c \
  'scripts/npm.sh sbom --package-lock-only --omit dev --sbom-format cyclonedx >dist/sbom-browser.json'

if [ ! "$own/installed" -nt requirements-audit.txt ]; then
  echo "Installing what audits into $own ..."
  .venv/bin/python -m venv --clear "$own"
  if "$own/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-audit.txt; then
    touch "$own/installed"
  fi
fi

locks=()
for lock in requirements*.txt; do
  locks+=(-r "$lock")
done
if [ -e "$own/installed" ]; then
  run "SBOM: dist/sbom-python.json" "$own/bin/cyclonedx-py" requirements --output-reproducible -o dist/sbom-python.json \
    requirements.txt
  # --strict: a package that could not be looked up is no good news.
  look_up "Python's packages" "pypi.org" "^Found [0-9]+ known" "$own/bin/pip-audit" --strict --require-hashes \
    --disable-pip --progress-spinner off "${locks[@]}"
else
  failed+=("no bill of materials and no vulnerability of Python's packages: the package index could not be reached")
fi
look_up "npm's packages" "npm's registry" "^[0-9]+ .*vulnerabilit" scripts/npm.sh audit
look_up "npm's packages of the bench" "npm's registry" "^[0-9]+ .*vulnerabilit" scripts/npm.sh --prefix bench audit

if [ ${#failed[@]} -gt 0 ]; then
  printf 'Headway: this failed: %s\n' "${failed[@]}" >&2
  exit 1
fi

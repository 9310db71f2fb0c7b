#!/usr/bin/env bash
# Makes requirements*.txt from requirements*.in, keeping what is locked already; with --check changes nothing, and fails
# where a lock is not what its .in asks for.
set -euo pipefail
cd "$(dirname "$0")/.."

where=.
if [ "${1:-}" = --check ]; then
  where=$(mktemp -d)
  trap 'rm -rf "$where"' EXIT
  cp requirements*.txt "$where"
fi
for name in requirements requirements-dev requirements-build requirements-bench requirements-node \
  requirements-audit requirements-fuzz; do
  .venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
    --no-emit-find-links --custom-compile-command "make lock" "$name.in" --output-file "$where/$name.txt"
  if ! cmp -s "$name.txt" "$where/$name.txt"; then
    diff "$name.txt" "$where/$name.txt" | head -20 >&2 || true
    echo "Headway: $name.txt is not made from $name.in: run make lock." >&2
    exit 1
  fi
done

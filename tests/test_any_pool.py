"""Each task of a project is claimed and recovered, whatever pool runs it and whoever sends it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group

from headway.store.records import Records
from tests import any_pool_project as project
from tests.processes import ROOT, Process, Valkey, running, wait_for, worker

MODULE = "tests.any_pool_project"
PATIENCE = 30
POOLS = ["prefork", "spawn", "solo", "threads", "gevent"]
KINDS = ["plain", "based", "shared", "shared_based"]


@pytest.fixture(scope="module")
def url(valkey: Valkey) -> Iterator[str]:
    """A Redis that the project's app, here, sends to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project.celery, "_backend_cache", None)
        project.celery.conf.update(broker_url=valkey.url, result_backend=f"headway+{valkey.url}")
        yield valkey.url


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest, url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A worker with this pool."""
    is_spawned = request.param == "spawn"
    env = {"REDIS_URL": url, "START_METHOD": "spawn" if is_spawned else "fork"}
    options = ["-P", "prefork", "-c", "1"] if is_spawned else ["-P", request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with running(worker(folder, env, "celery", MODULE, *options)):
        if is_spawned:  # its worker is ready before it has imported what it runs
            wait_for(task("plain").delay().ready, 90)
        yield request.param


@pytest.fixture
def records(pool: str, valkey: Valkey) -> Iterator[Records]:
    client = valkey.connect()
    yield Records(client, 7)
    client.close()


def task(kind: str) -> Any:
    """Return one of the project's tasks; a shared one would be that of the current app."""
    return project.celery.tasks[f"any_pool.{kind}"]


def ends(records: Records, *task_ids: str) -> list[tuple[str, int]]:
    """Return phase and attempt of each; only a live task's claim counts an attempt."""

    def look() -> list[dict[str, Any]] | None:
        found = [json.loads(one.snapshot) for one in records.read(list(task_ids)) if one]
        return found if all(one["finished_at"] for one in found) else None

    return [(one["phase"], one["attempt"]) for one in wait_for(look)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_claimed(pool: str, records: Records, kind: str):
    result = task(kind).delay(3)

    assert result.get(timeout=PATIENCE) == 3
    assert ends(records, result.id) == [("succeeded", 1)]


# Spawned processes do not have what a worker registers by itself.
@pytest.mark.parametrize("pool", [one for one in POOLS if one != "spawn"], indirect=True)
@pytest.mark.parametrize("kind", ["late", "late_based"])
def test_a_task_that_was_registered_late_is_claimed(pool: str, records: Records, kind: str):
    result = project.celery.send_task(f"any_pool.{kind}", (3,))

    assert result.get(timeout=PATIENCE) == 3
    assert ends(records, result.id) == [("succeeded", 1)]


def test_each_part_of_a_canvas_is_claimed(pool: str, records: Records):
    parts = [task(kind).s(2) for kind in KINDS]
    summed = chord(parts, task("total").s()).delay()
    chained = chain(task("based").s(4), task("shared_based").s(), task("plain").s()).delay()
    grouped = group(parts).delay()
    replaced = task("replaced").delay()

    assert summed.get(timeout=PATIENCE) == 2 * len(KINDS)
    assert chained.get(timeout=PATIENCE) == 4
    assert grouped.get(timeout=PATIENCE) == [2] * len(KINDS)
    assert replaced.get(timeout=PATIENCE) == 3
    ids = [summed.id, chained.id, chained.parent.id, *(one.id for one in grouped.results)]
    assert set(ends(records, *ids)) == {("succeeded", 1)}
    # The header of a chord has a record for each part as well.
    assert set(ends(records, *(one.id for one in summed.parent.results))) == {("succeeded", 1)}


def test_what_beat_sends_is_claimed(pool: str, records: Records, valkey: Valkey, tmp_path: Path):
    records.client.delete("sent by beat")
    command = [sys.executable, "-m", "celery", "-A", MODULE, "beat", "-s", str(tmp_path / "beat")]
    beat = Process(command, tmp_path / "beat.log", {"REDIS_URL": valkey.url})
    with running(beat):
        task_id = wait_for(lambda: records.client.get("sent by beat"))

    assert ends(records, task_id) == [("succeeded", 1)]


STEP = """
import sys
from billiard.pool import TimeoutHandler
from celery import Celery
app = Celery("alone", broker=sys.argv[1], backend="headway+" + sys.argv[1])
app.backend  # before the worker, which is not Celery's command line
app.Worker(pool="prefork", concurrency=1)
print(TimeoutHandler._trywaitkill.__module__)
"""


def test_a_time_limit_spares_programs_in_a_project_that_imports_nothing_of_headway(redis_url: str):
    command = [sys.executable, "-c", STEP, redis_url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.split()[-1:] == ["headway.celery.run.programs"], done.stderr

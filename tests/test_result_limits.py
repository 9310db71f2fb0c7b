"""The limits of what Celery's own form of a result may hold, and what may go wrong while a
large one is stored.
"""

from __future__ import annotations

import re
import threading
import time
from decimal import Decimal

import pytest
from celery import Celery
from celery.result import AsyncResult

from headway.celery.backend import LiveBackend
from headway.celery.storing.results import ResultTooLarge
from headway.snapshot import Phase, Snapshot
from headway.store.errors import RedisUnavailable
from headway.store.model import MAX_CALL_BYTES, PIECE_BYTES, Delivery, ResultGone, StateWrite
from headway.store.records import Records
from headway.store.staging import STAGED_SECONDS
from tests.large import MB, celery_app, left_over, start, text_of, whole


@pytest.fixture
def live(redis_url: str) -> LiveBackend:
    backend: LiveBackend = celery_app(redis_url).backend
    return backend


@pytest.fixture
def stock(redis_url: str) -> Celery:
    return Celery("stock", broker=redis_url, backend=redis_url, set_as_current=False)


def test_a_result_beyond_the_limit_fails_with_words_that_name_the_setting(
    records: Records, redis_url: str
):
    app = celery_app(redis_url, headway_result_max_bytes=100_000)
    for value in ("x" * 100_000, {"result": 1, "status": "x" * 100_000}, [Decimal(1)] * 30_000):
        with pytest.raises(ResultTooLarge, match=r"100,000 are allowed \(RESULT_MAX_BYTES\)"):
            app.backend.mark_as_done(start(records), value)

    app.backend.mark_as_done(start(records), "x" * 99_000)


def test_an_error_beyond_the_limit_is_cut(records: Records, redis_url: str, stock: Celery):
    app = celery_app(redis_url, headway_result_max_bytes=100_000)
    task_id = start(records)

    app.backend.mark_as_failure(task_id, ValueError("word " * MB), traceback="y" * MB)

    assert Snapshot.from_json(text_of(records, task_id)).error["type"] == "ValueError"
    assert records.client.strlen(f"celery-task-meta-{task_id}") < 10_000
    with pytest.raises(RuntimeError, match="ValueError: word word"):
        AsyncResult(task_id, app=stock).get(timeout=20)


def test_a_report_that_is_too_large_keeps_what_the_page_shows(
    records: Records, live: LiveBackend, stock: Celery, caplog
):
    task_id = start(records)
    for current in (1, 2):
        live.store_result(
            task_id, {"current": current, "total": 9, "status": "s", "rows": "x" * MB}, "PROGRESS"
        )

    assert AsyncResult(task_id, app=stock).info == {"current": 2, "total": 9, "status": "s"}
    assert Snapshot.from_json(text_of(records, task_id)).current == 2
    assert [line for line in caplog.messages if task_id in line] == [
        f"Reports of {task_id} of more than {MAX_CALL_BYTES} bytes are cut to what the page shows"
    ]
    live.store_result(task_id, {"current": 3, "rows": "x" * 60_000}, "PROGRESS")
    assert len(AsyncResult(task_id, app=stock).info["rows"]) == 60_000


def test_redis_is_not_held_up(records: Records, live: LiveBackend):
    """No command carries more than a piece, whatever the size of the result."""
    records.client.config_set("slowlog-log-slower-than", 0)
    records.client.config_set("slowlog-max-len", 10_000)
    records.client.slowlog_reset()

    live.mark_as_done(start(records), "x" * (50 * MB))

    log = " ".join(
        entry["command"].decode(errors="replace") for entry in records.client.slowlog_get(10_000)
    )
    records.client.config_set("slowlog-log-slower-than", 10_000)
    records.client.config_set("slowlog-max-len", 128)
    sizes = [int(size) for size in re.findall(r"\((\d+) more bytes\)", log)]
    assert len(sizes) >= 50 * MB // PIECE_BYTES
    assert max(sizes) <= PIECE_BYTES


# Faults on the way


def write_of(task_id: str, size: int = MB) -> StateWrite:
    fields = {"result": "cut", "result_size": size, "status": ""}
    return StateWrite(
        task_id, Delivery(), Phase.SUCCEEDED, fields, "m" * size, "long_task", 4, write_id="once"
    )


def test_what_was_staged_and_lost_is_staged_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    task_id = start(records)
    staging = records.runs._staging
    put = staging.put
    monkeypatch.setattr(staging, "put", lambda text: "headway:staged:lost")

    with pytest.raises(RedisUnavailable):
        records.runs.write(write_of(task_id))
    assert Snapshot.from_json(text_of(records, task_id)).phase == "queued"
    monkeypatch.setattr(staging, "put", put)

    assert records.runs.write(write_of(task_id)) == "written"
    assert records.client.strlen(f"celery-task-meta-{task_id}") == MB


def test_a_repeated_or_refused_write_leaves_nothing_behind(records: Records):
    task_id = start(records)

    assert records.runs.write(write_of(task_id)) == "written"
    assert records.runs.write(write_of(task_id)) == "written"  # its reply was lost
    assert records.runs.write(write_of(task_id)._replace(write_id="again")) == "final"

    assert left_over(records) == []


def test_a_process_that_ends_between_two_pieces_leaves_nothing_for_long(records: Records):
    key = records.runs._staging.put("x" * MB)

    assert 0 < records.client.pttl(key) <= STAGED_SECONDS * 1000


def test_a_result_that_expires_while_it_is_read_breaks_off(
    records: Records, live: LiveBackend, monkeypatch
):
    task_id = start(records)
    live.mark_as_done(task_id, "x" * MB)
    found = records.results.read(task_id)
    assert found is not None
    next(found[1])

    records.client.delete(f"celery-task-meta-{task_id}")

    with pytest.raises(ResultGone):
        list(found[1])
    assert records.results.read(task_id) is None
    assert PIECE_BYTES < MB


def test_many_large_results_at_once(records: Records, live: LiveBackend):
    ids = [start(records) for _ in range(8)]
    threads = [
        threading.Thread(target=live.mark_as_done, args=(task_id, "x" * (3 * MB)))
        for task_id in ids
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    for thread in threads:
        thread.join(deadline - time.monotonic())

    assert [len(whole(records, task_id)) for task_id in ids] == [3 * MB + 2] * 8

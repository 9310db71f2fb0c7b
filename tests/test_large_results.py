"""Large results lie apart from their record: whole for Celery's clients and at an address, cut
everywhere else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.result import AsyncResult
from kombu.utils.json import dumps, loads

from headway.celery.backend import LiveBackend
from headway.celery.storing.results import MAX_RESULT_BYTES, PREVIEW_CHARS
from headway.display.tables import count_rows
from headway.engine.sending import MAX_BACKLOG_BYTES
from headway.push.resync import MINE
from headway.snapshot import Snapshot, fragment
from headway.store.model import Delivery, Source
from headway.store.records import Records
from headway.store.staging import STAGED_SECONDS
from tests.by_hand import published, subscribed
from tests.large import MB, MESSAGE, celery_app, left_over, start, text_of, whole
from tests.processes import wait_for

ARTICLE = {"current", "total", "status", "result"}


@pytest.fixture
def live(redis_url: str) -> LiveBackend:
    backend: LiveBackend = celery_app(redis_url).backend
    return backend


@pytest.fixture
def stock(redis_url: str) -> Celery:
    return Celery("stock", broker=redis_url, backend=redis_url, set_as_current=False)


LARGE: dict[str, Any] = {
    "text": "x" * MB,
    "not ascii": "é😀\u2028\x00" * 100_000,
    "one char beyond": "x" * (MAX_RESULT_BYTES - 1),
    "list": list(range(100_000)),
    "dict": {"rows": [{"id": 2**63, "none": None, "t": True, "f": 0.1, "é": []}] * 5000, "1": {}},
    "int keys": {n: "x" * 100 for n in range(1000)},
    "tuples": (("a", 1),) * 5000,
    "article": {"current": 3, "total": 3, "status": "done", "result": ["y" * 100] * 1000},
    "not the article": {"result": "x" * MB, "other": 1},
    "result twice": {"status": "ok", "result": {"result": "x" * MB}},
}
APART: dict[str, Any] = {  # what Celery has words of its own for, or none
    "decimal": [Decimal("1.5")] * 5000,
    "time": {"at": datetime(2026, 11, 28, tzinfo=UTC), "rows": ["x" * 100] * 1000},
    "not a number": [float("nan")] * 5000,
    "half a character": "\ud83d" + "x" * MB,
}


@pytest.mark.parametrize("value", [*LARGE.values(), *APART.values()], ids=[*LARGE, *APART])
def test_a_large_result_is_whole_for_celery_and_at_its_address_and_cut_in_the_snapshot(
    records: Records, live: LiveBackend, stock: Celery, value: Any
):
    task_id = start(records)

    live.mark_as_done(task_id, value)

    text = text_of(records, task_id)
    shown = Snapshot.from_json(text)
    is_article = isinstance(value, dict) and value.keys() <= ARTICLE
    result = value["result"] if is_article else value
    assert shown.phase == "succeeded"
    assert len(text) < 10_000
    assert len(shown.result) == PREVIEW_CHARS
    assert shown.result.endswith("…")
    json_text = whole(records, task_id)
    assert shown.result_size == len(json_text)
    if isinstance(result, str):
        assert shown.result[:-1] == result[: PREVIEW_CHARS - 1].encode(errors="replace").decode()
    else:
        assert json_text.decode().startswith(shown.result[:-1])
    assert json.dumps(json.loads(json_text)) == json.dumps(as_json(result))
    assert str(AsyncResult(task_id, app=stock).get(timeout=20)) == str(as_celery_reads(value))
    assert left_over(records) == []


def test_a_large_table_is_shown_as_the_number_of_its_rows(records: Records, live: LiveBackend):
    task_id = start(records)
    rows = [{"product": f"Lamp {n}", "n": n} for n in range(1204)]

    live.mark_as_done(task_id, rows)

    shown = Snapshot.from_json(text_of(records, task_id))
    assert shown.result == "1204 rows…"
    assert count_rows(shown.result, shown.result_size) == 1204
    assert json.loads(whole(records, task_id)) == rows


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_a_large_result_of_plain_json_is_in_redis_once(
    records: Records, live: LiveBackend, value: Any
):
    task_id = start(records)

    live.mark_as_done(task_id, value)

    assert not records.client.exists(f"headway:result:{task_id}")
    assert records.client.hstrlen(f"headway:task:{task_id}", "result") < 10_000


def as_json(value: Any) -> Any:
    """What JSON makes of a value, in Headway's reading."""
    return json.loads(fragment(value))


def as_celery_reads(value: Any) -> Any:
    return loads(dumps(value))


@pytest.mark.parametrize(
    "value", ["x" * (MAX_RESULT_BYTES - 2), "é" * (MAX_RESULT_BYTES // 2 - 1), None, 0, {"a": [1]}]
)
def test_a_result_that_fits_is_whole_in_the_snapshot(
    records: Records, live: LiveBackend, value: Any
):
    task_id = start(records)

    live.mark_as_done(task_id, value)

    shown = Snapshot.from_json(text_of(records, task_id))
    assert (shown.result, shown.result_size) == (value, None)
    assert json.loads(whole(records, task_id)) == value


@pytest.mark.parametrize(
    "conf",
    [
        {"result_serializer": "pickle", "accept_content": ["pickle", "json"]},
        {"result_compression": "gzip"},
    ],
    ids=["pickle", "gzip"],
)
def test_other_forms_of_celerys_result_hold_no_json_to_be_read(
    records: Records, redis_url: str, conf: dict[str, Any]
):
    app = celery_app(redis_url, **conf)
    value = [f"row {n}" for n in range(20_000)]
    task_id = start(records)

    app.backend.mark_as_done(task_id, value)

    assert json.loads(whole(records, task_id)) == value
    assert AsyncResult(task_id, app=app).get(timeout=20) == value
    ttl = records.client.pttl(f"headway:task:{task_id}")
    assert ttl - 5000 < records.client.pttl(f"headway:result:{task_id}") <= ttl
    app.backend.forget(task_id)
    assert not list(records.client.scan_iter(f"*{task_id}"))


def test_the_result_of_a_new_send_is_not_looked_for_where_the_former_ones_lay(
    records: Records, live: LiveBackend
):
    for send, value in ("1st", "x" * MB), ("2nd", APART["decimal"]), ("3rd", "y" * MB):
        claimed = records.runs.claim(
            "again",
            Delivery(send),
            send,
            message=MESSAGE,
            max_attempts=4,
            hostname="here",
            source=Source(send),
        )
        assert claimed == "claimed"

        live.mark_as_done(
            "again", value, request=Context(id="again", task="long_task", headway_fence=send)
        )

        assert json.loads(whole(records, "again")) == as_json(value)


def test_what_lies_apart_lasts_as_long_as_its_record(records: Records, live: LiveBackend):
    task_id = start(records)
    live.mark_as_done(task_id, "x" * MB)

    record, celery = (
        records.client.pttl(f"{key}{task_id}") for key in ("headway:task:", "celery-task-meta-")
    )

    assert record - 5000 < celery <= record + 1
    assert celery > STAGED_SECONDS * 1000


# Nobody else notices


@pytest.fixture
def channels(records: Records) -> Iterator[Any]:
    with subscribed(records, "*") as pubsub:
        yield pubsub


def test_no_channel_carries_a_large_text(records: Records, live: LiveBackend, channels: Any):
    request = Context(id=start(records), task="long_task", **{"headway_fence": "run"})
    task_id = request.id
    records.runs.claim(
        task_id, Delivery("run", 0), "run", message=MESSAGE, max_attempts=4, hostname="here"
    )
    for meta in (
        {"blob": "x" * MB},
        {"current": 1, "total": 2, "status": "y" * MB, "rows": list(range(100_000))},
    ):
        assert live.runs.report(request, "PROGRESS", meta) == "written"
    live.mark_as_done(task_id, "x" * (20 * MB), request=request)
    failed = start(records)
    live.mark_as_failure(failed, ValueError("word " * MB), traceback="y" * MB)

    sizes = [len(message["data"]) for message in published(channels)]
    assert len(sizes) > 8
    assert max(sizes) < 10_000


def test_large_arguments_are_kept_and_neither_pushed_nor_listed(records: Records, channels: Any):
    message = {**MESSAGE, "kwargs": {"rows": "x" * (5 * MB)}}
    task_id = start(records)

    assert (
        records.runs.claim(
            task_id, Delivery("run", 0), "run", message=message, max_attempts=4, hostname="here"
        )
        == "claimed"
    )

    sizes = [len(message["data"]) for message in published(channels)]
    assert sizes
    assert max(sizes) < 10_000
    assert len(text_of(records, task_id)) < 10_000
    assert records.outbox.message(task_id) == (message, "Long task")


def test_a_list_of_large_results_is_small(records: Records, live: LiveBackend, client: Any):
    with client.session_transaction() as session:
        session["visitor"] = "ada"
    for _ in range(10):
        live.mark_as_done(start(records), "x" * (5 * MB))

    answer = client.get("/tasks")

    assert len(answer.data) < 50_000
    assert {task["result_size"] for task in answer.json["tasks"]} == {5 * MB + 2}


def test_a_page_of_the_largest_snapshots_fits_a_sockets_backlog(
    records: Records, live: LiveBackend
):
    for _ in range(MINE):
        live.mark_as_done(
            start(records), {"status": "s" * 500, "result": "x" * (MAX_RESULT_BYTES - 2)}
        )

    assert sum(map(len, records.lists.page("ada", MINE)[0])) < MAX_BACKLOG_BYTES


# Celery's own clients


@pytest.mark.parametrize("size", [1_000, 200_000, 20 * MB, 40 * MB])
def test_a_stock_client_that_waits_gets_the_whole(
    records: Records, live: LiveBackend, stock: Celery, size: int
):
    """40 MB are more than Redis sends to a subscriber: it is cut off, and reads the key as it
    connects again.
    """
    task_id = start(records)
    got: list[Any] = []
    waiting = threading.Thread(
        target=lambda: got.append(AsyncResult(task_id, app=stock).get(timeout=30)), daemon=True
    )
    waiting.start()
    wait_for(lambda: records.client.pubsub_numsub(f"celery-task-meta-{task_id}")[0][1])

    live.mark_as_done(task_id, "x" * size)

    waiting.join(30)
    assert [len(result) for result in got] == [size]


def test_a_failure_with_a_large_text_reaches_a_stock_client(
    records: Records, live: LiveBackend, stock: Celery
):
    task_id = start(records)

    live.mark_as_failure(task_id, ValueError("word " * MB))

    with pytest.raises(ValueError, match="word word"):
        AsyncResult(task_id, app=stock).get(timeout=20)

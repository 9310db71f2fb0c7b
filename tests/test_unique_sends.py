"""Unique tasks that project code sends: `.delay()`, `apply_async`, beat, canvases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, Task, group
from celery.result import AsyncResult

from headway.celery.worker.live_tasks import make_all_live
from headway.registry import BadArguments, task
from headway.store.records import Records
from tests.by_hand import shown

HEADERS = {"headway_owner": "ada"}
LIVE = "headway.celery.task:LiveTask"


@pytest.fixture(scope="module", autouse=True)
def kind() -> None:
    @task("Tidy {room}", unique="{room}")
    def tidy(room: str, how: str = "well"): ...


@pytest.fixture(params=["sends only", "worker", "live class", "live class and worker"])
def tidy(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Task]:
    """The task as the processes of a project have it."""
    app = Celery(
        "unique",
        broker=redis_url,
        backend=f"headway+{redis_url}",
        task_cls=LIVE if "live" in request.param else None,
        set_as_current=False,
    )
    if "worker" in request.param:
        make_all_live(app)
    yield app.tasks["tidy"]
    app.close()


def queued(records: Records) -> list[dict[str, Any]]:
    return [json.loads(text) for text in records.client.lrange("celery", 0, -1)]


def attend(records: Records) -> None:
    """Have a worker sweep, as far as senders know."""
    records.client.set("headway:last_sweep", records.clock.now())


def test_a_second_send_returns_the_result_of_the_open_task(tidy: Task, records: Records):
    first = tidy.apply_async(("hall",), headers=HEADERS)
    again = tidy.apply_async((), {"room": "hall", "how": "badly"}, headers=HEADERS)
    other = tidy.apply_async(("attic",), headers=HEADERS)
    somebodys = tidy.delay("hall")

    assert isinstance(again, AsyncResult)
    assert again == first
    assert len({first.id, other.id, somebodys.id}) == 3
    sent = queued(records)[::-1]
    assert [each["headers"]["id"] for each in sent] == [first.id, other.id, somebodys.id]
    assert not any("headway_turn" in each["headers"] for each in sent)

    records.cancel(first.id)
    assert tidy.apply_async(("hall",), headers=HEADERS) != first


@pytest.mark.parametrize("options", [{}, {"countdown": 60}])
def test_a_send_that_names_its_parent_alone_counts_for_its_owner(
    tidy: Task, records: Records, options: dict[str, Any]
):
    attend(records)
    parent = tidy.apply_async(("desk",), headers=HEADERS)

    part = tidy.apply_async(("hall",), headers={"headway_parent": parent.id}, **options)

    assert tidy.apply_async(("hall",), headers=HEADERS) == part
    assert tidy.delay("hall") != part
    records.cancel(part.id)
    assert records.client.keys("headway:unique:ada:*") == [
        f"headway:unique:ada:{tidy.unique.digest('tidy', ['desk'], {})}"
    ]


def test_one_for_later_counts_too(tidy: Task, records: Records):
    attend(records)

    first = tidy.apply_async(("hall",), countdown=60)
    again = tidy.delay("hall")
    later = tidy.apply_async(("hall",), countdown=90)

    assert (again, later) == (first, first)
    assert shown(records, first.id).phase == "scheduled"  # type: ignore[union-attr]
    kept = records.client.hget(f"headway:task:{first.id}", "message") or ""
    assert "headway_turn" not in kept


def test_a_start_finds_what_was_sent(tidy: Task, records: Records):
    sent = tidy.delay("hall")

    turn = tidy.unique.turn("tidy", ["hall"], {})
    message = {"task": "tidy", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    started = records.starts.create(
        owner="", message=message, title="Tidy", max_attempts=4, turn=turn
    )

    assert (started.task_id, started.outcome) == (sent.id, "existing")


def test_sends_under_a_given_id_are_all_sent(tidy: Task, records: Records):
    first = tidy.delay("hall")

    own = tidy.apply_async(("hall",), task_id="my-own-id")
    parts = group(tidy.s("hall"), tidy.s("hall")).apply_async()

    ids = {first.id, own.id, *(part.id for part in parts)}
    assert {each["headers"]["id"] for each in queued(records)} == ids
    assert len(ids) == 4


def test_a_send_by_other_means_is_counted_and_not_refused(
    tidy: Task, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:  # as with a broker elsewhere
        patched.setattr(tidy.app.backend.recorder, "encoder", None)
        first = tidy.delay("hall")
        again = tidy.delay("hall")

    assert first != again
    assert tidy.delay("hall") == first


def test_arguments_without_the_text_are_refused(tidy: Task):
    with pytest.raises(BadArguments, match="room"):
        tidy.delay()

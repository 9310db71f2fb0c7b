"""A stream in its record: each byte once, cut back by an attempt, kept and deleted with it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from headway.engine.events import Event
from headway.push.fanout import Fanout
from headway.push.resync import Resync
from headway.push.rooms import Rooms
from headway.snapshot import Phase
from headway.store.model import Delivery, Outcome, Source
from headway.store.records import Records
from tests import by_hand
from tests.bodies import read
from tests.by_hand import HERE
from tests.streamed import events, text_of, write

MESSAGE: Any = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}


@pytest.fixture
def task_id(records: Records) -> str:
    """A claimed task; the test writes in the place of its run."""
    return by_hand.claimed(records, MESSAGE)


def test_text_that_is_sent_again_is_stored_once(records: Records, task_id: str):
    assert write(records, task_id, 0, "one ") == "written"
    assert write(records, task_id, 0, "one ") == "written"  # its reply was lost
    assert write(records, task_id, 0, "one two") == "written"
    assert write(records, task_id, 7, "!", closes=True) == "written"

    assert text_of(records, task_id) == "one two!"


def test_a_full_stream_ends_with_a_mark_within_no_character(records: Records, task_id: str):
    assert write(records, task_id, 0, "ab", max_bytes=7) == "written"
    assert write(records, task_id, 2, "🙂🙂", max_bytes=7) == "full"
    assert write(records, task_id, 10, "more", max_bytes=7) == "full"

    whole = text_of(records, task_id)
    assert whole == "ab🙂\n[This stream ends here: its limit is 7 bytes.]\n"
    assert read(records, task_id).streams["answer"]["closed"] is True


def test_a_new_attempt_cuts_each_stream_back_and_says_so(records: Records, task_id: str):
    write(records, task_id, 0, "of the first attempt")
    before = records.queries.read_streams(task_id, {})["answer"]
    records.maintenance.release([(task_id, HERE.token)])
    assert text_of(records, task_id) == "of the first attempt"  # until the next one begins

    with events(records) as seen:
        again = Delivery("again", 0)
        claimed = records.runs.claim(
            task_id, again, "run 2", message=MESSAGE, max_attempts=4, hostname="test"
        )
        assert claimed == Outcome.CLAIMED
        assert write(records, task_id, 20, "late") == "superseded"
        assert write(records, task_id, 0, "of the second", delivery=again) == "written"
        pushed = seen()

    cut, text = pushed
    assert (cut["offset"], cut["text"]) == (0, "")
    assert cut["epoch"] == text["epoch"] > before["epoch"]
    assert text_of(records, task_id) == "of the second"
    # A viewer who missed that cut and asks for what follows its bytes gets all.
    had = {"answer": (5, before["epoch"])}
    assert records.queries.read_streams(task_id, had)["answer"]["text"] == "of the second"
    had = {"answer": (5, cut["epoch"])}
    assert records.queries.read_streams(task_id, had)["answer"]["text"] == "e second"


def test_a_stream_is_read_from_whole_characters_on(records: Records, task_id: str):
    write(records, task_id, 0, "a🙂bü")

    def part(offset: int, most: int = 100) -> tuple[int, str, int]:
        page = records.queries.read_streams(task_id, {"answer": (offset, None)}, max_bytes=most)
        found = page["answer"]
        return found["offset"], found["text"], found["next"]

    assert [part(n)[:2] for n in (1, 2, 4, 5)] == [(1, "🙂bü"), (1, "🙂bü"), (1, "🙂bü"), (5, "bü")]
    assert part(99) == (8, "", 8)
    assert [part(0, most)[1] for most in (0, 1, 4, 5, 7)] == ["", "a", "a", "a🙂", "a🙂b"]


def test_a_stream_is_kept_for_as_long_as_its_record(records: Records, task_id: str):
    write(records, task_id, 0, "text")
    keys = records.keys.stream(task_id, "answer"), records.keys.record(task_id)
    by_hand.write(records, task_id, 1, Phase.SUCCEEDED)

    ends = [records.client.pexpiretime(key) for key in keys]
    assert 0 < ends[0] <= ends[1] + 1000
    assert read(records, task_id).streams["answer"]["closed"] is True
    assert write(records, task_id, 4, "more") == "final"


def test_a_task_that_starts_over_has_no_text_of_the_last_time(records: Records):
    task_id = str(uuid4())

    def claim_send(send: str, delivery: Delivery) -> Outcome:
        about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "test"}
        return records.runs.claim(task_id, delivery, send, source=Source(send), **about)

    assert claim_send("one", HERE) == "claimed"
    write(records, task_id, 0, "of the first")
    by_hand.write(records, task_id, 1, Phase.SUCCEEDED)
    assert claim_send("two", Delivery("again")) == "claimed"

    assert read(records, task_id).streams == {}
    assert not records.client.exists(records.keys.stream(task_id, "answer"))


def test_what_a_viewer_missed_is_told_by_where_each_stream_ends(records: Records, task_id: str):
    write(records, task_id, 0, "wört")
    delivered: list[Any] = []

    def keep(room: str, event: bytes) -> None:
        delivered.append(json.loads(event))

    manager = SimpleNamespace(records=records, confirm=lambda names: None, deliver=keep)

    Resync(manager)._read_again([f"task:{task_id}"])

    ends = [payload for kind, payload in delivered if kind == "stream"]
    assert [(end["offset"], end["text"], end["closed"]) for end in ends] == [(5, "", False)]


def test_pushed_text_replaces_none_that_waits_for_its_viewer():
    pushed: list[Event] = []
    rooms = Rooms()
    rooms.enter("sid", "task:1", pushed.append)

    Fanout(rooms, lambda: None).deliver("task:1", b'["stream",{"task_id":"1"}]')

    assert [event.key for event in pushed] == [Event.LINES]

"""Heartbeats, rooms and their channels: who is told what, how often, in which order."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headway.push import checks
from headway.push.batch_loader import BatchLoader
from headway.push.manager import RoomManager
from headway.push.resync import REREAD
from headway.push.rooms import MAX_VERSIONS
from headway.store.errors import RedisUnavailable
from headway.store.records import Records
from headway.throttled import ThrottledLogger
from tests.processes import Valkey, wait_for
from tests.push_fakes import Arrivals, Sockets, Subscriptions, arrive, snapshot


@pytest.fixture
def sockets() -> Sockets:
    return Sockets()


@pytest.fixture
def manager(records: Records, valkey: Valkey, sockets: Sockets) -> RoomManager:
    manager = RoomManager(valkey.url, records)
    manager.subscriber = Arrivals()
    manager.server = sockets
    for name in ("one", "two"):
        manager.basic_enter_room(name, "/", None, eio_sid=name)
    return manager


def test_a_process_that_does_not_hear_its_beat_reconnects(
    manager: RoomManager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.push.heartbeat.ROUND_TRIP_SECONDS", 0.05)
    monkeypatch.setattr(manager, "initialize", lambda: None)
    manager.subscriber = Arrivals()

    assert not manager.heartbeat.check_health()

    assert manager.subscriber.is_broken


def test_a_beat_that_cannot_be_sent_is_the_last_on_its_connection_and_on_idle_ones(
    manager: RoomManager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(manager, "initialize", lambda: None)
    manager.subscriber = Arrivals()
    manager.resync.session = Arrivals.session
    others = manager.records.client.client_list
    with manager.records.client.client() as one, manager.records.client.client() as other:
        one.ping()
        other.ping()
    assert [client["cmd"] for client in others()].count("ping") == 1

    def publish(channel: str, text: str) -> None:
        raise RedisUnavailable

    monkeypatch.setattr(manager.records.client, "publish", publish)
    assert not manager.heartbeat.check_health()

    wait_for(lambda: "ping" not in [client["cmd"] for client in others()])


def test_what_is_no_event_of_its_room_is_said_by_who_may_wait(
    manager: RoomManager,
    sockets: Sockets,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    """The loop's thread, which delivers, may not log."""
    monkeypatch.setattr(checks, "logger", ThrottledLogger(checks.logger._logger))
    manager.basic_enter_room("one", "/", "task:x")
    arrivals: Any = manager.subscriber
    lines: list[int] = []
    messages = [("flask-socketio:task:x", b"junk"), ("flask-socketio:task:x", snapshot(1))]

    def listen(read: Any, deliver: Any) -> Iterator[Any]:
        left = deliver(messages)
        lines.append(len(caplog.records))
        yield left

    monkeypatch.setattr(arrivals, "listen", listen)
    assert list(manager._listen()) == []

    assert sockets.versions("one") == [1]
    assert lines == [0]
    [said] = [record.getMessage() for record in caplog.records]
    assert said.endswith("the last one came in the room task:x")


def test_a_beat_of_long_ago_proves_nothing(manager: RoomManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(manager, "initialize", lambda: None)
    arrivals: Any = manager.subscriber
    sent: list[tuple[str, bytes]] = []

    def publish_and_hear(number: int) -> Callable[[str, str], None]:
        def publish(channel: str, text: str) -> None:
            sent.append((channel, text.encode()))
            arrivals.arriving = [sent[number]]
            assert list(manager._listen()) == []

        return publish

    def prove_by(number: int) -> bool:
        monkeypatch.setattr(manager.records.client, "publish", publish_and_hear(number))
        return manager.heartbeat.round_trip(0.05)

    assert [prove_by(0), prove_by(0), prove_by(-1)] == [True, False, True]


def test_who_enters_a_room_while_its_last_viewer_leaves_is_heard_for(manager: RoomManager):
    entered = threading.Event()
    # Where entering waits for the leaving, as it should, this pause ends by itself.
    manager.subscriber = Subscriptions(lambda: (entering.start(), entered.wait(0.5)))
    entering = threading.Thread(
        target=lambda: (manager.basic_enter_room("two", "/", "task:x"), entered.set())
    )
    manager.basic_enter_room("one", "/", "task:x")

    manager.basic_leave_room("one", "/", "task:x")
    entering.join()

    assert manager.subscriber.channels == {"flask-socketio:task:x"}


def test_who_is_in_the_rooms_of_a_task_and_of_its_owner_hears_each_version_once(
    manager: RoomManager, sockets: Sockets
):
    for name in ("one", "two"):
        manager.basic_enter_room(name, "/", "owner:o")
    arrive(manager, ("owner:o", snapshot(1)))
    manager.basic_enter_room("one", "/", "task:x")

    arrive(manager, ("task:x", snapshot(2)), ("owner:o", snapshot(2)))
    arrive(manager, ("task:x", snapshot(3)))
    arrive(manager, ("owner:o", snapshot(3)))

    assert sockets.versions("one") == sockets.versions("two") == [1, 2, 3]


def test_what_the_owners_room_has_told_the_tasks_own_does_not_tell_again(
    manager: RoomManager, sockets: Sockets
):
    manager.basic_enter_room("one", "/", "owner:o")
    arrive(manager, ("owner:o", snapshot(5)))
    manager.basic_enter_room("one", "/", "task:x")

    arrive(manager, ("task:x", snapshot(5)))  # as when all rooms are read again
    arrive(manager, ("task:x", snapshot(6)))

    assert sockets.versions("one") == [5, 6]


def test_it_is_known_of_however_many_tasks_what_was_told_before(
    manager: RoomManager, sockets: Sockets
):
    tasks = [f"t{number}" for number in range(3 * REREAD)]
    manager.basic_enter_room("one", "/", "owner:o")
    arrive(manager, *[("owner:o", snapshot(5, task)) for task in tasks])
    for task in tasks:
        manager.basic_enter_room("one", "/", f"task:{task}")

    arrive(manager, *[(f"task:{task}", snapshot(5, task)) for task in tasks])

    assert len(sockets.versions("one")) == len(tasks)


def test_who_enters_a_tasks_room_while_the_owners_is_being_told_hears_of_it_once(
    manager: RoomManager, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.push.fanout.TURN_SECONDS", 0)
    monkeypatch.setattr("headway.push.fanout.BATCH_SIZE", 1)
    for name in ("one", "two"):
        manager.basic_enter_room(name, "/", "owner:o")
    # which has not been told yet
    sockets.at_turn = lambda: manager.basic_enter_room("two", "/", "task:x")

    arrive(manager, ("owner:o", snapshot(5)), ("task:x", snapshot(5)))

    assert sockets.versions("one") == sockets.versions("two") == [5]


def test_what_was_told_in_a_room_since_left_is_not_told_again_by_another(
    manager: RoomManager, sockets: Sockets
):
    manager.basic_enter_room("one", "/", "owner:o")
    manager.basic_enter_room("one", "/", "task:x")
    arrive(manager, ("task:x", snapshot(5)))
    manager.basic_leave_room("one", "/", "task:x")

    arrive(manager, ("owner:o", snapshot(5)))
    manager.basic_enter_room("one", "/", "task:x")
    arrive(manager, ("task:x", snapshot(5)))  # as when it is read again
    arrive(manager, ("task:x", snapshot(6)))

    assert sockets.versions("one") == [5, 6]


def test_who_leaves_a_tasks_room_and_enters_it_again_is_not_told_again(
    manager: RoomManager, sockets: Sockets
):
    for version in (5, 6):
        manager.basic_enter_room("one", "/", "task:x")
        arrive(manager, ("task:x", snapshot(5)), ("task:x", snapshot(version)))
        arrive(manager, ("task:x", snapshot(5)))
        manager.basic_leave_room("one", "/", "task:x")

    manager.basic_enter_room("one", "/", "task:x")
    arrive(manager, ("task:x", snapshot(6)))  # as when it is read again

    assert sockets.versions("one") == [5, 6]


def test_what_was_read_before_a_push_and_comes_after_it_is_old(
    manager: RoomManager, sockets: Sockets
):
    manager.basic_enter_room("one", "/", "task:x")
    arrive(manager, ("task:x", snapshot(7)))

    manager.deliver("task:x", snapshot(6))
    manager.deliver("task:x", snapshot(7))

    assert sockets.versions("one") == [7]


def test_of_what_comes_at_once_the_newest_snapshot_of_each_task_and_each_line_is_sent(
    manager: RoomManager, sockets: Sockets
):
    manager.basic_enter_room("one", "/", "owner:o")

    lines = [b'["log",{"seq":%d}]' % seq for seq in range(3)]
    first = [
        ("owner:o", snapshot(version, task_id))
        for version in range(1, 100)
        for task_id in ("x", "y")
    ]
    arrive(manager, *first, *(("owner:o", line) for line in lines), ("owner:o", snapshot(100)))

    assert [event for _, event in sockets.sent] == [
        json.loads(message) for message in (snapshot(99, "y"), *lines, snapshot(100))
    ]


def test_a_busy_room_delays_a_quiet_one_by_one_push(manager: RoomManager, sockets: Sockets):
    manager.basic_enter_room("one", "/", "task:busy")
    manager.basic_enter_room("two", "/", "task:quiet")

    busy = [("task:busy", snapshot(version, "busy")) for version in range(1, 1000)]
    arrive(manager, *busy[:500], ("task:quiet", snapshot(1, "quiet")), *busy[500:])

    assert [sid for sid, _ in sockets.sent] == ["two", "one"]


def test_a_push_to_a_large_room_gives_way_and_is_overtaken_by_a_newer_one(
    manager: RoomManager, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.push.fanout.TURN_SECONDS", 0)
    viewers = [str(number) for number in range(250)]
    for name in viewers:
        manager.basic_enter_room(name, "/", None, eio_sid=name)
        manager.basic_enter_room(name, "/", "task:x")

    def overtake() -> None:
        sockets.at_turn = lambda: manager.basic_leave_room("249", "/", "task:x")
        manager.deliver("task:x", snapshot(2))

    sockets.at_turn = overtake
    manager.deliver("task:x", snapshot(1))

    assert [sockets.versions(name) for name in viewers] == [[1, 2]] * 100 + [[2]] * 149 + [[]]


def test_nothing_is_kept_of_who_has_gone(manager: RoomManager, sockets: Sockets):
    for name in ("task:x", "owner:o", "somebody else's room"):
        manager.basic_enter_room("one", "/", name)
    arrive(manager, ("task:x", snapshot(5)))
    manager.basic_leave_room("one", "/", "task:x")

    manager.basic_disconnect("one", "/")

    assert (
        manager.live_rooms.by_name,
        manager.live_rooms.joined,
        manager.live_rooms.seen_in_left_rooms,
    ) == (
        {},
        {},
        {},
    )
    assert list(manager.get_participants("/", None)) == [("two", "two")]
    assert list(manager.get_participants("/", "somebody else's room")) == []


def test_of_an_owner_who_starts_many_tasks_only_the_last_are_remembered(manager: RoomManager):
    manager.basic_enter_room("one", "/", "owner:o")

    for number in range(2 * MAX_VERSIONS):
        manager.deliver("owner:o", snapshot(1, str(number)))

    assert len(manager.live_rooms.by_name["owner:o"]._versions) == MAX_VERSIONS


def test_records_asked_for_while_others_are_read_are_read_together():
    asked: list[list[str]] = []
    reading = threading.Event()
    go_on = threading.Event()

    def read(task_ids: list[str], **_: Sequence[str]) -> list[Any]:
        asked.append(task_ids)
        reading.set()
        go_on.wait(30)
        return [task_id.upper() for task_id in task_ids]

    reader = BatchLoader(read)
    with ThreadPoolExecutor(5) as many:
        first = many.submit(reader.read, ["a"])
        reading.wait(30)
        others = [many.submit(reader.read, [name, name * 2]) for name in "bcde"]
        wait_for(lambda: len(reader._next.task_ids) == 8)
        go_on.set()

    assert first.result() == ["A"]
    assert [other.result() for other in others] == [[name, name * 2] for name in "BCDE"]
    assert [len(task_ids) for task_ids in asked] == [1, 8]


def test_a_read_that_fails_fails_for_all_who_asked():
    def read(task_ids: list[str], **_: Sequence[str]) -> list[Any]:
        raise RedisUnavailable("away")

    reader = BatchLoader(read)

    for _ in range(2):
        with pytest.raises(RedisUnavailable):
            reader.read(["a"])
    assert reader.read([]) == []


class Killed(BaseException):
    """As a greenlet gets it."""


@pytest.mark.parametrize("is_reading", [True, False])
def test_who_is_killed_while_reading_for_others_keeps_nobody_waiting(is_reading: bool):
    def read(task_ids: list[str], **_: Sequence[str]) -> list[Any]:
        nonlocal is_reading
        if not is_reading:
            return task_ids
        is_reading = False
        come.wait(30)
        raise Killed

    class Turn:
        """Somebody else's, for which the first one waits when it is killed."""

        def __enter__(self) -> None:
            nonlocal is_waiting
            if is_waiting:
                is_waiting = False
                come.wait(30)
                raise Killed

        def __exit__(self, *_: object) -> None:
            """Do nothing."""

    is_waiting = not is_reading
    come = threading.Event()
    reader = BatchLoader(read)
    reader._turn = Turn()  # type: ignore[assignment]
    with ThreadPoolExecutor(2) as many:
        first = many.submit(reader.read, ["a"])
        if is_waiting:
            wait_for(lambda: reader._next.task_ids)
            other = many.submit(reader.read, ["b"])
            wait_for(lambda: len(reader._next.task_ids) == 2)
            come.set()
            with pytest.raises(RedisUnavailable):
                other.result(30)
        come.set()
        with pytest.raises(Killed):
            first.result(30)

    assert reader.read(["c"]) == ["c"]

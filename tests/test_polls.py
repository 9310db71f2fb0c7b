"""A task that is polled and does not change is read once, and again as soon as it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from headway.push import polls
from headway.push.manager import RoomManager
from headway.shapes import TaskMessage
from headway.store.errors import RedisUnavailable
from headway.store.model import TaskRecord
from headway.store.records import Records
from headway.web.api.reading import read_mine
from headway.web.requests.viewers import Viewer
from tests.by_hand import claimed, write
from tests.processes import wait_for

OWNER = "ada"
MESSAGE: TaskMessage = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "q"}}


class Ended(BaseException):
    """Ends the thread that listens."""


@pytest.fixture
def manager(
    redis_url: str, records: Records, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RoomManager]:
    """The manager of a web process that hears Redis."""
    manager = RoomManager(redis_url, records)
    ended = threading.Event()

    def read(connection: Any, receive: Callable[[bytes], bool]) -> Iterator[None]:
        while data := connection.recv(64 * 1024):
            if ended.is_set():
                raise Ended
            if receive(data):
                yield

    def listen() -> None:
        with pytest.raises(Ended):
            list(manager._listen())

    engine = SimpleNamespace(
        read=read,
        end=lambda code, eio_sids: None,
        renew_counts=lambda: None,
        yield_turn=lambda: None,
    )
    manager.server = SimpleNamespace(eio=engine, sleep=time.sleep, environ={})
    monkeypatch.setattr(manager, "initialize", lambda: None)
    thread = threading.Thread(target=listen)
    thread.start()
    try:
        wait_for(manager.heartbeat.check_health)
        yield manager
    finally:
        ended.set()
        manager.subscriber.break_connection()
        thread.join()


class Poller:
    """Polls one task again and again, each time with the tag of the last answer."""

    def __init__(self, manager: RoomManager, task_id: str) -> None:
        self.manager = manager
        self.task_id = task_id
        self.tag = ""
        self.reads = 0  # of records in Redis
        self._read = manager.records.read
        manager.records.read = self.read  # type: ignore[method-assign]

    def read(self, *asked: Any) -> list[TaskRecord | None]:
        self.reads += 1
        return self._read(*asked)

    def poll(self, owner: str = OWNER) -> bool:
        """Poll, and return whether Redis was asked for it."""
        before = self.reads
        [found] = self.manager.polls.read([self.task_id], [self.tag], (), [owner])
        assert found is not None
        self.tag = found.tag
        return self.reads > before


@pytest.fixture
def poller(manager: RoomManager, records: Records) -> Poller:
    """One whose task is known."""
    poller = Poller(manager, claimed(records, MESSAGE))
    assert [poller.poll() for _ in range(4)] == [True, True, True, False]
    return poller


def room_of(poller: Poller) -> str:
    return f"task:{poller.task_id}"


def test_a_change_is_read_as_soon_as_it_is_heard(poller: Poller):
    tag = poller.tag
    write(poller.manager.records, poller.task_id, 5)

    wait_for(poller.poll)

    assert poller.tag != tag
    assert [poller.poll() for _ in range(3)] == [True, False, False]


def loses_its_subscription(poller: Poller) -> None:
    """As when the last viewer leaves the room, and another one enters it."""
    channel = poller.manager.channel_of(room_of(poller))
    poller.manager.subscriber.unsubscribe(channel)
    poller.manager.subscriber.subscribe(channel)
    poller.manager.confirm([room_of(poller)])


def loses_its_connection(poller: Poller) -> None:
    session = poller.manager.subscriber.session
    poller.manager.subscriber.break_connection()
    wait_for(lambda: poller.manager.subscriber.session not in (0, session))
    wait_for(poller.manager.heartbeat.check_health)


def hears_nothing(poller: Poller) -> None:
    poller.manager.heartbeat.proven_at = float("-inf")


def is_read_long_ago(poller: Poller) -> None:
    [(name, known)] = poller.manager.polls._known.items()
    long_ago = known.read_at - polls.MAX_AGE_SECONDS  # type: ignore[attr-defined]
    poller.manager.polls._known[name] = known._replace(read_at=long_ago)  # type: ignore[attr-defined]


def has_another_tag(poller: Poller) -> None:
    poller.tag = "1"


@pytest.mark.parametrize(
    "happens",
    [
        loses_its_subscription,
        loses_its_connection,
        hears_nothing,
        is_read_long_ago,
        has_another_tag,
    ],
)
def test_without_its_proof_it_is_read_again(poller: Poller, happens: Callable[[Poller], None]):
    happens(poller)

    assert poller.poll()


def test_news_that_comes_during_a_read_is_not_lost(
    manager: RoomManager, records: Records, monkeypatch: pytest.MonkeyPatch
):
    poller = Poller(manager, claimed(records, MESSAGE))
    assert [poller.poll() for _ in range(2)] == [True, True]
    heard = threading.Event()
    note = manager.polls.note

    def noted(name: str) -> None:
        note(name)
        heard.set()

    def read_and_wait(*asked: Any) -> list[TaskRecord | None]:
        found = poller.read(*asked)
        write(records, poller.task_id, 5)
        assert heard.wait(20)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(manager.polls, "note", noted)
        patched.setattr(manager.records, "read", read_and_wait)
        poller.poll()

    tag = poller.tag
    assert poller.poll()
    assert poller.tag != tag


def test_a_read_that_fails_leaves_nothing(poller: Poller, monkeypatch: pytest.MonkeyPatch):
    """A watched task's room may never be told of anything more."""
    manager = poller.manager

    def fail(*asked: Any) -> list[TaskRecord | None]:
        raise RedisUnavailable("away")

    is_read_long_ago(poller)
    with monkeypatch.context() as patched:
        patched.setattr(manager.records, "read", fail)
        with pytest.raises(RedisUnavailable):
            poller.poll()

    assert not manager.polls._known


def test_a_task_that_is_forgotten_is_known_no_more(poller: Poller):
    manager = poller.manager
    manager.records.client.delete(manager.records.keys.record(poller.task_id))
    event = f'["forgotten",{{"task_id":"{poller.task_id}"}}]'
    manager.records.client.publish(manager.channel_of(room_of(poller)), event)

    wait_for(lambda: not manager.polls._known)

    assert manager.polls.read([poller.task_id], [poller.tag], (), [OWNER]) == [None]


def test_a_place_in_a_queue_changes_without_a_word(manager: RoomManager, records: Records):
    task_id = records.starts.create(owner=OWNER, message=MESSAGE, title="t", max_attempts=1).task_id
    poller = Poller(manager, task_id)

    assert [poller.poll() for _ in range(4)] == [True] * 4


def test_what_is_known_is_shown_to_its_owner_only(poller: Poller):
    def read(task_ids: list[str], *, claims: Any = (), readers: Any = ()) -> Any:
        return poller.manager.polls.read(task_ids, [poller.tag], claims, readers)

    mine, _ = read_mine([poller.task_id], Viewer(OWNER), read)
    theirs, missing = read_mine([poller.task_id], Viewer("another"), read)

    assert (list(mine), theirs, missing) == ([poller.task_id], {}, [poller.task_id])


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_task_that_is_no_longer_polled_is_given_up(
    poller: Poller, is_watched: bool, monkeypatch: pytest.MonkeyPatch
):
    manager = poller.manager
    if is_watched:
        with manager.live_rooms.lock:
            manager.live_rooms.enter("viewer", room_of(poller), lambda event: None)
    monkeypatch.setattr(polls, "IDLE_SECONDS", -1.0)

    manager.polls.forget_idle()

    assert manager.heartbeat.check_health()  # which sends what is unsent
    channel = manager.channel_of(room_of(poller))
    assert manager.records.client.pubsub_numsub(channel)[0][1] == int(is_watched)
    assert not manager.polls._known

"""A web process and its Redis: whatever happens between them, all that is watched is soon right
again, by itself.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
import requests
import websocket

from headway.engine.events import Event
from headway.push import subscriber as hearing
from headway.push.batch_loader import BatchLoader
from headway.push.manager import RoomManager
from headway.push.resync import REREAD
from headway.push.rooms import MAX_VERSIONS
from headway.store.connection import connect
from headway.store.errors import RedisUnavailable
from headway.store.records import Records
from tests.browser import Returning, Visitor
from tests.by_hand import HERE, hand_task, open_websocket, write
from tests.faults.proxy import Proxy
from tests.processes import Process, Valkey, answers, free_port, running, wait_for, web

MODES = ("eventlet", "gevent", "threading")

# A web process that also tells how many threads or greenlets, and websockets, live in it.
COUNTING = """
import gc, threading, wsgi
if wsgi.MODE == "gevent":
    from gevent import Greenlet as kind  # not those of its resolver
elif wsgi.MODE == "eventlet":
    from greenlet import greenlet as kind
@wsgi.app.get("/counted")
def counted():
    engine = wsgi.app.extensions["socketio"].server.eio
    websockets = sum(not one.closed for one in engine.sockets.values())
    if wsgi.MODE == "threading":
        queues = engine._work, engine._greedy_work
        idle = sum(queue._workers - queue._busy for queue in queues if queue != ())
        return str(websockets + threading.active_count() - idle)
    greenlets = sum(isinstance(one, kind) and bool(one) for one in gc.get_objects())
    return str(websockets + greenlets)
wsgi.main()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey-hearing"))
    yield valkey
    valkey.stop()


@pytest.fixture(scope="module")
def network(server: Valkey) -> Iterator[Proxy]:
    """What lies between the web process and Redis; the test itself goes straight there."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "a secret for the tests",
    }


@pytest.fixture(scope="module")
def address(
    network: Proxy, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    env = settings | {"REDIS_URL": f"redis://127.0.0.1:{network.port}/0"}
    process, address = web(tmp_path_factory.mktemp("web"), env)
    with running(process):
        yield address


@pytest.fixture
def records(server: Valkey) -> Iterator[Records]:
    client = connect(server.url)
    yield Records(client, 7)
    client.close()


@pytest.fixture
def visitor(address: str) -> Visitor:
    return Visitor(address).connect()


def status_of(visitor: Visitor, task_id: str) -> int:
    """The HTTP status of a question for the task, each on a connection of its own."""
    where = f"{visitor.address}/status/{task_id}"
    return requests.get(where, cookies=visitor.http.cookies, timeout=30).status_code


def shown(visitor: Visitor, task_id: str) -> int | None:
    """What the visitor last saw of a task."""
    seen = visitor.pushed(task_id)
    return max(seen, key=lambda snapshot: int(snapshot["version"]))["current"] if seen else None


# Faults: on within the `with`, over after it


Fault = Callable[[Valkey, Proxy, Records, Visitor], AbstractContextManager[None]]


@contextmanager
def killed(server: Valkey, network: Proxy, records: Records, visitor: Visitor) -> Iterator[None]:
    records.client.client_kill_filter(_type="pubsub")
    yield


@contextmanager
def cut(server: Valkey, network: Proxy, records: Records, visitor: Visitor) -> Iterator[None]:
    network.cut()
    try:
        wait_for(lambda: not visitor.servers[-1]["live"])
        yield
    finally:
        network.heal()


@contextmanager
def half_open(server: Valkey, network: Proxy, records: Records, visitor: Visitor) -> Iterator[None]:
    """The connections there are lead nowhere; new ones work."""
    network.swallow()
    network.heal()
    yield


@contextmanager
def black_hole(
    server: Valkey, network: Proxy, records: Records, visitor: Visitor
) -> Iterator[None]:
    """New connections lead nowhere either."""
    network.swallow()
    try:
        wait_for(lambda: not visitor.servers[-1]["live"])
        assert not answers(f"{visitor.address}/readyz")
        yield
    finally:
        network.heal()


@contextmanager
def hung(server: Valkey, network: Proxy, records: Records, visitor: Visitor) -> Iterator[None]:
    server.freeze()
    try:
        wait_for(lambda: not visitor.servers[-1]["live"])
        assert requests.get(f"{visitor.address}/readyz", timeout=30).status_code == 503
    finally:
        server.thaw()
    yield


@contextmanager
def restarted(server: Valkey, network: Proxy, records: Records, visitor: Visitor) -> Iterator[None]:
    server.stop()
    try:
        wait_for(lambda: not visitor.servers[-1]["live"])
        assert not answers(f"{visitor.address}/readyz")
    finally:
        server.start()
    yield


@pytest.mark.parametrize("fault", [killed, cut, hung, restarted, black_hole, half_open])
def test_after_a_fault_all_that_is_watched_is_right_again(
    fault: Fault,
    server: Valkey,
    network: Proxy,
    records: Records,
    visitor: Visitor,
):
    watched = hand_task(records, visitor)
    listed = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [watched]})
    visitor.call("watch_mine", {})
    wait_for(lambda: visitor.servers[-1]["live"])

    with fault(server, network, records, visitor):
        for task_id in (watched, listed):
            write(records, task_id, 7)
        records.output.log(watched, HERE, [("INFO", "said while nobody heard")])

    wait_for(lambda: answers(f"{visitor.address}/readyz"))
    wait_for(lambda: (shown(visitor, watched), shown(visitor, listed)) == (7, 7))
    wait_for(lambda: visitor.logs)
    wait_for(lambda: visitor.servers[-1]["live"])
    write(records, watched, 8)
    wait_for(lambda: shown(visitor, watched) == 8)
    versions = [snapshot["version"] for snapshot in visitor.pushed(watched)]
    assert versions == sorted(set(versions))


def test_half_open_connections_that_lie_idle_are_found_too(
    network: Proxy, records: Records, visitor: Visitor
):
    task_id = hand_task(records, visitor)

    def ask(_: int) -> int:
        return status_of(visitor, task_id)

    with ThreadPoolExecutor(20) as many:
        wait_for(
            lambda: (
                list(many.map(ask, range(40))) == [200] * 40
                and len(records.client.client_list()) > 5
            )
        )
        network.swallow()
        network.heal()
        # one of them is replaced, and does not speak for the others
        wait_for(lambda: ask(0) == 200)
        wait_for(lambda: not visitor.servers[-1]["live"], 15)
        wait_for(lambda: visitor.servers[-1]["live"])

        assert list(many.map(ask, range(40))) == [200] * 40


def test_what_could_not_be_read_again_is_read_later(
    server: Valkey, records: Records, visitor: Visitor
):
    task_id = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [task_id]})
    wait_for(lambda: visitor.servers[-1]["live"])
    write(records, task_id, 6)
    wait_for(lambda: shown(visitor, task_id) == 6)

    with redis.Redis.from_url(server.url) as client:
        # nobody may read records
        client.execute_command("ACL SETUSER", "default", "-fcall", "-fcall_ro")
        try:
            client.client_kill_filter(_type="pubsub")
            wait_for(
                lambda: not visitor.servers[-1]["live"],
                message="it says that it is live, and is behind",
            )
        finally:
            client.execute_command("ACL SETUSER", "default", "+fcall", "+fcall_ro")
        client.client_kill_filter(_type="pubsub")
        write(records, task_id, 7)

    wait_for(lambda: shown(visitor, task_id) == 7)
    wait_for(lambda: visitor.servers[-1]["live"])


def test_it_never_waits_long_before_it_tries_again(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []

    class Enough(Exception):
        pass

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 50:
            raise Enough

    monkeypatch.setattr(hearing, "time", SimpleNamespace(sleep=sleep))
    with pytest.raises(Enough):
        next(
            hearing.RedisSubscriber(f"redis://127.0.0.1:{free_port()}/0", 5).read_batches(
                nullcontext
            )
        )

    assert max(pauses) + hearing.HANDSHAKE_SECONDS < 3


def test_it_reconnects_as_often_as_it_takes(server: Valkey, records: Records, visitor: Visitor):
    task_id = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [task_id]})

    kills = 0
    while kills < 120:
        kills += wait_for(lambda: records.client.client_kill_filter(_type="pubsub"))
    write(records, task_id, 7)

    wait_for(lambda: shown(visitor, task_id) == 7)


def test_when_redis_is_emptied_viewers_hear_what_is_missing(
    server: Valkey, address: str, records: Records
):
    visitor = Returning(address)
    visitor.connect()
    task_id = hand_task(records, visitor)
    visitor.watch(task_id)
    wait_for(lambda: records.client.exists("headway:epoch"))
    visitor.snapshots.clear()

    records.client.flushall()
    write(records, task_id, 7)  # its worker knows nothing of it

    wait_for(lambda: visitor.missing == [task_id])
    # not "io server disconnect", after which clients stay away
    assert visitor.goodbyes == ["transport error"]
    visitor.snapshots.clear()
    write(records, task_id, 8)
    visitor.call("watch_mine", {})  # a round trip after the write: whatever was sent has arrived
    assert visitor.snapshots == []


def test_a_record_that_redis_lost_is_missed_after_the_next_reconnect(
    server: Valkey, address: str, records: Records
):
    visitor = Returning(address)
    visitor.connect()
    lost = hand_task(records, visitor)
    kept = hand_task(records, visitor)
    visitor.watch(lost)
    visitor.watch(kept)

    records.forget(lost)
    write(records, lost, 5)  # by its worker, which knows nothing of it: nobody's from now on
    records.client.client_kill_filter(_type="pubsub")

    wait_for(lambda: visitor.missing == [lost])
    write(records, kept, 7)
    wait_for(lambda: shown(visitor, kept) == 7)


# No thread, no greenlet is left behind


@contextmanager
def counting(
    mode: str, settings: dict[str, str], folder: Path
) -> Iterator[tuple[str, Callable[[], int]]]:
    """A web process in this mode: its address, and how many threads, greenlets and websockets
    live in it.
    """
    port = free_port()
    env = settings | {"SOCKETIO_ASYNC_MODE": mode, "PORT": str(port)}
    process = Process([sys.executable, "-c", COUNTING], folder / f"counting-{mode}.log", env)
    address = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: answers(f"{address}/readyz"))
    with running(process):
        yield address, lambda: int(requests.get(f"{address}/counted", timeout=20).text)


def test_while_redis_hangs_all_is_refused_in_time_and_nothing_stays_stuck(
    server: Valkey, settings: dict[str, str], records: Records, tmp_path: Path
):
    env = settings | {"REDIS_URL": server.url}
    with ExitStack() as stack, ThreadPoolExecutor(40) as many:
        webs = [stack.enter_context(counting(mode, env, tmp_path)) for mode in MODES]
        visitors = [Visitor(address).connect() for address, _ in webs for _ in range(4)]
        watched = {visitor: hand_task(records, visitor) for visitor in visitors}
        for visitor, task_id in watched.items():
            visitor.call("watch", {"task_ids": [task_id]})
        before = [count() for _, count in webs]

        def ask(visitor: Visitor) -> int:
            return status_of(visitor, watched[visitor])

        def start(visitor: Visitor) -> int:
            return requests.post(f"{visitor.address}/longtask", timeout=30).status_code

        server.freeze()
        try:
            told = [*many.map(ask, visitors * 3), *many.map(start, visitors * 3)]
            acks = list(
                many.map(
                    lambda visitor: visitor.call("watch", {"task_ids": [watched[visitor]]}),
                    visitors,
                )
            )
            wait_for(lambda: all(not visitor.servers[-1]["live"] for visitor in visitors))
        finally:
            server.thaw()

        assert told == [503] * len(visitors) * 6
        assert [ack["error"]["code"] for ack in acks] == ["unavailable"] * len(visitors)
        for task_id in watched.values():
            write(records, task_id, 7)
        wait_for(lambda: {shown(visitor, task_id) for visitor, task_id in watched.items()} == {7})
        counts = [count for _, count in webs]
        wait_for(
            lambda: all(count() <= some for count, some in zip(counts, before, strict=True)),
            message="some are stuck",
        )


def test_a_websocket_whose_client_is_gone_without_a_word_is_closed_in_15_s(
    server: Valkey, settings: dict[str, str], tmp_path: Path
):
    with ExitStack() as stack:
        silent: list[tuple[websocket.WebSocket, Callable[[], int], int]] = []
        for mode in MODES:
            address, count = stack.enter_context(
                counting(mode, settings | {"REDIS_URL": server.url}, tmp_path)
            )
            before = min(count() for _ in range(10))  # without what is just about to end
            before += 2  # the first one starts what serves them all, and what pings them
            silent.append((open_websocket(address), count, before))
            assert count() > before

        begun = time.monotonic()
        for mode, (connection, count, before) in zip(MODES, silent, strict=True):
            left = begun + 15 - time.monotonic()

            def is_gone(count=count, before=before) -> bool:
                return count() <= before

            wait_for(is_gone, left, f"{mode}: still there")
            connection.shutdown()


# Beats, rooms and their channels


class Subscriptions:
    """The channels that stand; `pause` is called in the middle of an unsubscription."""

    def __init__(self, pause: Callable[[], object]) -> None:
        self.channels: set[str] = set()
        self.subscribe = self.channels.add
        self._pause = pause

    def unsubscribe(self, channel: str) -> None:
        self._pause()
        self.channels.discard(channel)


class Arrivals:
    """A hearing at which messages arrive, all at once, when the test says so."""

    session = 1
    received_at = inf

    def __init__(self) -> None:
        self.arriving: list[tuple[str, bytes]] = []
        self.renewed = threading.Event()
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True

    def subscribe(self, channel: str) -> None:
        """All subscriptions stand."""

    unsubscribe = subscribe

    def wait(self, channels: list[str], seconds: float) -> None:
        """They are confirmed."""

    def read_batches(self, reading: Any) -> Iterator[list[tuple[str, bytes]]]:
        yield self.arriving


class Sockets:
    """A server and its engine: what was sent to whom.

    `at_turn` is called when others have their turn.
    """

    reading = None

    def __init__(self) -> None:
        self.eio = self
        self.sent: list[tuple[str, Any]] = []
        self.at_turn: Callable[[], object] = list

    def sender_for(self, sid: str) -> Callable[[Event], None]:
        return lambda event: self.sent.append((sid, json.loads(event.text[1:])))

    def sleep(self, seconds: float) -> None:
        self.at_turn()

    def versions(self, sid: str) -> list[int]:
        return [payload["version"] for one, (_, payload) in self.sent if one == sid]


@pytest.fixture
def sockets() -> Sockets:
    return Sockets()


@pytest.fixture
def manager(records: Records, server: Valkey, sockets: Sockets) -> RoomManager:
    manager = RoomManager(server.url, records)
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

    assert manager.subscriber.dropped


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


def snapshot(version: int, task_id: str = "x") -> bytes:
    return b'["snapshot",{"task_id":"%s","version":%d,"phase":"running"}]' % (
        task_id.encode(),
        version,
    )


def arrive(manager: RoomManager, *messages: tuple[str, bytes]) -> None:
    """Have these messages of rooms arrive at once."""
    manager.subscriber.arriving = [
        (f"flask-socketio:{name}", message) for name, message in messages
    ]
    assert list(manager._listen()) == []


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

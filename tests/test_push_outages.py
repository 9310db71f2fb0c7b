"""A web process and its Redis: whatever happens between them, all that is watched is soon right
again, by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace

import pytest
import redis
import requests

from headway.push import subscriber as hearing
from headway.store.connection import connect
from headway.store.records import Records
from tests.browser import Returning, Visitor, newest, status_of
from tests.by_hand import HERE, hand_task, write
from tests.faults.proxy import Proxy
from tests.processes import Valkey, answers, free_port, running, wait_for, web


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
    wait_for(lambda: (newest(visitor, watched), newest(visitor, listed)) == (7, 7))
    wait_for(lambda: visitor.logs)
    wait_for(lambda: visitor.servers[-1]["live"])
    write(records, watched, 8)
    wait_for(lambda: newest(visitor, watched) == 8)
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
        told = len(visitor.servers)
        network.swallow()
        network.heal()
        # one of them is replaced, and does not speak for the others
        wait_for(lambda: ask(0) == 200)
        wait_for(lambda: not all(one["live"] for one in visitor.servers[told:]))  # for a moment
        wait_for(lambda: visitor.servers[-1]["live"])

        assert list(many.map(ask, range(40))) == [200] * 40


def test_what_could_not_be_read_again_is_read_later(
    server: Valkey, records: Records, visitor: Visitor
):
    task_id = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [task_id]})
    wait_for(lambda: visitor.servers[-1]["live"])
    write(records, task_id, 6)
    wait_for(lambda: newest(visitor, task_id) == 6)

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

    wait_for(lambda: newest(visitor, task_id) == 7)
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
            hearing.RedisSubscriber(f"redis://127.0.0.1:{free_port()}/0", 5).listen(
                lambda connection, receive: iter(()), list
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

    wait_for(lambda: newest(visitor, task_id) == 7)


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
    wait_for(lambda: newest(visitor, kept) == 7)

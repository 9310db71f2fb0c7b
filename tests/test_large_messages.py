"""Messages of megabytes: they reach Redis however slow the way is, and no reply to maintenance
is full of them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from typing import Any

import pytest

from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.errors import RedisUnavailable
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.processes import Valkey

TIMEOUT = 1.0
MEGABYTE = 1_000_000


def message(size: int) -> dict[str, Any]:
    return {"task": "large", "args": ["x" * size], "kwargs": {}, "options": {"queue": "celery"}}


class SlowWay:
    """A way to a port on which a megabyte takes an eighth of the timeout, and after `most` bytes
    nothing moves.

    The reply to what is large takes longer than the timeout.
    """

    def __init__(self, port: int, most: float) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._target = port
        self._most = most
        self._is_large = False
        self._is_over = threading.Event()
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._is_over.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
                threading.Thread(
                    target=self._copy_slowly, args=(client, server), daemon=True
                ).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                if self._is_large:
                    self._is_over.wait(TIMEOUT * 1.5)
                target.sendall(data)

    def _copy_slowly(self, source: socket.socket, target: socket.socket) -> None:
        taken = 0
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                if taken // MEGABYTE != (taken + len(data)) // MEGABYTE:
                    self._is_large = True
                    self._is_over.wait(TIMEOUT / 8)
                taken += len(data)
                if taken > self._most:
                    self._is_over.wait()
                target.sendall(data)


@pytest.fixture
def slow(request: pytest.FixtureRequest, records: Records, valkey: Valkey) -> Iterator[Records]:
    records.read(["a-task"])  # which loads the functions
    way = SlowWay(valkey.port, request.param)
    client = connect(way.url, TIMEOUT)
    yield Records(client, ttl_days=7)
    client.close()
    way.close()


def claim(records: Records, megabytes: int) -> str:
    run = Delivery("token", 0)
    return records.runs.claim(
        "a-task", run, "run", message=message(megabytes * MEGABYTE), max_attempts=4, hostname="here"
    )


@pytest.mark.parametrize("slow", [inf], indirect=True)
def test_what_takes_longer_to_send_than_redis_may_be_silent_is_sent(slow: Records):
    assert claim(slow, megabytes=16) == "claimed"


@pytest.mark.parametrize("slow", [3 * MEGABYTE], indirect=True)
def test_a_redis_that_takes_no_more_of_it_is_unavailable(slow: Records):
    with pytest.raises(RedisUnavailable):
        claim(slow, megabytes=16)


def defer(records: Records, task_id: str, size: int) -> None:
    kept = {"message": message(size), "max_attempts": 4, "when": "", "run": Delivery()}
    assert records.outbox.defer(task_id, 0, **kept) == "due"


@pytest.mark.parametrize(("megabytes", "expected"), [(1, [5, 5, 2]), (5, [1] * 12), (0, [12])])
def test_a_round_returns_no_more_messages_than_a_reply_should_hold(
    records: Records, megabytes: int, expected: list[int]
):
    for number in range(12):
        defer(records, f"task-{number}", megabytes * MEGABYTE)

    rounds = []
    has_more = True
    while has_more:
        swept = records.maintenance.sweep("leader")
        rounds.append(len(swept.due))
        has_more = swept.has_more
        for task_id, _ in swept.due:
            records.outbox.mark_published(task_id)

    assert rounds == expected


def test_no_more_of_what_was_lost_either(records: Records):
    for number in range(7):
        task_id = f"task-{number}"
        run = Delivery("token", 0)
        records.runs.claim(
            task_id, run, "run", message=message(MEGABYTE), max_attempts=1, hostname="here"
        )
        records.client.zadd("headway:leases", {task_id: 1})
    records.client.set("headway:last_sweep", records.clock.now())

    first = records.maintenance.sweep("leader")
    second = records.maintenance.sweep("leader")

    assert (len(first.exhausted), first.has_more) == (5, True)
    assert (len(second.exhausted), second.has_more) == (2, False)
    assert {task_id for task_id, *_ in first.exhausted + second.exhausted} == {
        f"task-{number}" for number in range(7)
    }


def test_no_more_of_who_has_ended_either(records: Records):
    for number in range(7):
        task_id = f"task-{number}"
        run = Delivery("token", 0)
        kept = {"dependents": "always", **message(MEGABYTE)}
        records.runs.claim(task_id, run, "run", message=kept, max_attempts=1, hostname="here")
        records.runs.write(StateWrite(task_id, run, Phase.SUCCEEDED, {}, "{}", "large", 1))

    first = records.maintenance.sweep("leader")
    second = records.maintenance.sweep("leader")

    assert (len(first.ended), first.has_more) == (5, True)
    assert (len(second.ended), second.has_more) == (2, False)
    assert {task_id for task_id, _ in first.ended + second.ended} == {
        f"task-{number}" for number in range(7)
    }

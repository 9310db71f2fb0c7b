"""Connections to Redis go to whoever has waited longest, and none is lost."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Full

import pytest

from headway.store.free_connections import FreeConnections
from tests.processes import wait_for


@pytest.fixture
def free() -> FreeConnections:
    return FreeConnections(2)


def begin(
    pool: ThreadPoolExecutor, free: FreeConnections, number: int, timeout: float = 60
) -> Future[str]:
    """Have somebody wait, as the one of this number."""
    waiting = pool.submit(free.get, timeout=timeout)
    wait_for(lambda: len(free._waiters) == number)
    return waiting


def test_the_last_that_came_back_is_the_first_to_be_used(free: FreeConnections):
    free.put_nowait("cold")
    free.put_nowait("warm")

    assert [free.get(), free.get()] == ["warm", "cold"]


def test_no_more_are_kept_than_there_may_be(free: FreeConnections):
    free.put_nowait("one")
    free.put_nowait("two")

    with pytest.raises(Full):
        free.put_nowait("three")


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0.01}])
def test_who_gets_none_is_told_and_takes_none_later(free: FreeConnections, how: dict[str, float]):
    with pytest.raises(Empty):
        free.get(**how)

    free.put_nowait("one")
    assert free.get(block=False) == "one"


def test_one_that_comes_back_goes_to_who_has_waited_longest(free: FreeConnections):
    with ThreadPoolExecutor(4) as pool:
        first, second, third = (begin(pool, free, number) for number in (1, 2, 3))

        for connection in ("one", "two", None):  # None: one that is yet to be opened
            free.put_nowait(connection)

        assert [each.result(60) for each in (first, second, third)] == ["one", "two", None]


class Ended(BaseException):
    """What a greenlet is ended with."""


@pytest.mark.parametrize("came", [[], ["one"]], ids=["none came", "one came just then"])
def test_who_is_ended_while_waiting_takes_none_along(
    free: FreeConnections, monkeypatch: pytest.MonkeyPatch, came: list[str]
):
    def wait(*_: object) -> None:
        for connection in came:
            free.put_nowait(connection)
        raise Ended

    monkeypatch.setattr("headway.store.free_connections._Waiter.wait", wait)
    with pytest.raises(Ended):
        free.get()
    free.put_nowait("two")

    assert free.queue == [*came, "two"]

"""Maintenance that meets one task which it cannot handle: that one is failed or left, and all
others are handled.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker import state
from kombu.exceptions import OperationalError

from headway.celery.worker.maintenance import Maintenance
from headway.store.errors import RedisUnavailable
from headway.store.model import Delivery
from headway.store.records import Records
from tests.by_hand import shown

IDS = [f"task-{n}" for n in range(5)]
BAD = IDS[2]
OTHERS = [task_id for task_id in IDS if task_id != BAD]
MESSAGE = {"task": "add", "args": [1], "kwargs": {}, "options": {"queue": "celery"}}


@pytest.fixture
def keeper(records: Records, redis_url: str) -> Maintenance:
    app = Celery(
        "keeper",
        broker=redis_url,
        backend=f"headway.celery.backend.LiveBackend+{redis_url}",
        set_as_current=False,
    )
    pool = SimpleNamespace(
        uses_semaphore=False, ended=[], terminate_job=lambda pid, _: pool.ended.append(pid)
    )
    worker: Any = SimpleNamespace(options={}, app=app, hostname="here", concurrency=1, pool=pool)
    return Maintenance(worker)


def claim(records: Records, task_id: str, max_attempts: int = 4) -> None:
    run = Delivery("token", 0)
    assert (
        records.runs.claim(
            task_id, run, "r", message=MESSAGE, max_attempts=max_attempts, hostname=""
        )
        == "claimed"
    )


def lose(records: Records) -> None:
    """Five whose last attempt is lost."""
    for task_id in IDS:
        claim(records, task_id, max_attempts=1)
    records.client.set("headway:last_sweep", records.clock.now())
    records.client.zadd("headway:leases", dict.fromkeys(IDS, 0))


def defer(records: Records) -> None:
    """Five that are due."""
    for task_id in IDS:
        assert (
            records.outbox.defer(
                task_id, 0, message=MESSAGE, max_attempts=4, when="+0", run=Delivery()
            )
            == "due"
        )


def cancel(records: Records) -> None:
    """Five that have ended and whose chords have to be told."""
    for task_id in IDS:
        options = {"queue": "celery", "chord": {"task": "x", "options": {}}}
        message = {"dependents": "always", **MESSAGE, "options": options}
        assert (
            records.outbox.defer(
                task_id, 0, message=message, max_attempts=4, when="+99", run=Delivery()
            )
            == "deferred"
        )
        records.cancel(task_id)


def at_the_broker(records: Records) -> str:
    return "".join(records.client.lrange("celery", 0, -1))


def complaints(caplog: pytest.LogCaptureFixture) -> int:
    return len(
        [
            each
            for each in caplog.records
            if each.levelno >= logging.ERROR and BAD in each.getMessage()
        ]
    )


@pytest.mark.parametrize(
    "message", ["{no JSON", "[]", "5", "{}", '{"task": "add"}', '{"__type__": "x", "__value__": 1}']
)
def test_a_message_that_cannot_be_read_fails_its_task_alone(
    keeper: Maintenance, records: Records, message: str, caplog: pytest.LogCaptureFixture
):
    defer(records)
    records.client.hset(f"headway:task:{BAD}", "message", message)

    keeper._sweep()

    assert shown(records, BAD).phase == "failed"
    assert all(task_id in at_the_broker(records) for task_id in OTHERS)
    assert complaints(caplog) == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        MemoryError(),
        KeyError("add"),
        RecursionError(),
        OSError(5, "x"),
        SystemExit(1),
    ],
)
def test_whatever_sending_one_raises_fails_it_alone(
    keeper: Maintenance, records: Records, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    defer(records)
    _raise_for_one(monkeypatch, keeper._backend.outbox, "send", error)

    keeper._sweep()

    assert shown(records, BAD).phase == "failed"
    assert all(task_id in at_the_broker(records) for task_id in OTHERS)


def test_a_message_that_the_broker_does_not_take_is_left_with_one_line(
    keeper: Maintenance,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    defer(records)
    _raise_for_one(monkeypatch, keeper._backend.outbox, "send", OperationalError("not this one"))

    for _ in range(3):
        records.client.zadd("headway:outbox", {BAD: 0})
        keeper._sweep()

    assert shown(records, BAD).phase == "queued"
    assert records.client.zscore("headway:outbox", BAD)
    assert all(task_id in at_the_broker(records) for task_id in OTHERS)
    assert complaints(caplog) == 1


@pytest.mark.parametrize("error", [OperationalError("away"), RedisUnavailable("away")])
def test_a_broker_or_a_redis_that_is_away_is_not_asked_for_each_task(
    keeper: Maintenance, records: Records, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    defer(records)
    asked: list[str] = []

    def send(task_id: str, _: Any) -> None:
        asked.append(task_id)
        raise error

    monkeypatch.setattr(keeper._backend.outbox, "send", send)
    with pytest.raises(type(error)):
        keeper._sweep()

    assert len(asked) <= 2
    assert all(shown(records, task_id).phase == "queued" for task_id in IDS)


@pytest.mark.parametrize("error", [RuntimeError("x"), RecursionError(), SystemExit()])
@pytest.mark.parametrize(
    ("make", "duty"),
    [(lose, "runs.give_up"), (cancel, "dependents.notify_dependents"), (defer, "outbox.send")],
)
def test_whatever_one_raises_the_others_have_their_turn(
    keeper: Maintenance,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    make: Any,
    duty: str,
    error: Exception,
):
    make(records)
    due = Delivery("", 0)
    records.outbox.defer("due", 0, message=MESSAGE, max_attempts=4, when="+0", run=due)
    part, _, method = duty.partition(".")
    handled = _raise_for_one(monkeypatch, getattr(keeper._backend, part), method, error)

    keeper._sweep()

    assert set(handled) >= set(OTHERS)
    assert "due" in at_the_broker(records)


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1)])
def test_a_duty_that_fails_ends_no_round(
    keeper: Maintenance, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    """A receiver of a signal that calls sys.exit() would else end the thread without a word."""
    rounds: list[bool] = []

    def sweep() -> None:
        rounds.append(True)
        if len(rounds) == 2:
            keeper._stop.set()
        raise error

    monkeypatch.setattr(keeper, "_sweep", sweep)
    monkeypatch.setattr(keeper, "_heartbeats", None)  # they have not begun
    keeper._run()

    assert len(rounds) == 2


@pytest.mark.parametrize("make", [lose, defer, cancel])
@pytest.mark.parametrize("how", ["another type", "an unknown phase", "no numbers"])
def test_a_record_that_no_script_can_handle_is_left_with_one_line(
    keeper: Maintenance, records: Records, make: Any, how: str, caplog: pytest.LogCaptureFixture
):
    make(records)
    record = f"headway:task:{BAD}"
    if how == "another type":
        records.client.delete(record)
        records.client.set(record, "not a hash")
    elif how == "an unknown phase":
        records.client.hset(record, "phase", '"odd"')
    else:
        records.client.hset(
            record,
            mapping={"attempt": "x", "failures": "y", "max_attempts": "z", "generation": "o"},
        )
    handled: list[str] = []
    backend = keeper._backend
    for part, duty in (
        (backend.runs, "give_up"),
        (backend.dependents, "notify_dependents"),
        (backend.outbox, "send"),
    ):
        setattr(part, duty, lambda task_id, *_: handled.append(task_id))

    keeper._sweep()
    keeper._sweep()

    assert set(handled) >= set(OTHERS)
    assert complaints(caplog) <= 1


def test_one_broken_record_does_not_take_the_leases_of_a_workers_other_tasks(records: Records):
    for task_id in IDS:
        claim(records, task_id)
    records.client.delete(f"headway:task:{BAD}")
    records.client.set(f"headway:task:{BAD}", "not a hash")
    records.client.zadd("headway:leases", dict.fromkeys(IDS, 1))

    records.maintenance.heartbeat("here", 4, [(task_id, "token") for task_id in IDS], [])
    assert all(records.client.zscore("headway:leases", task_id) > 1 for task_id in OTHERS)

    records.maintenance.release([(task_id, "token") for task_id in IDS])
    assert all(shown(records, task_id).phase == "queued" for task_id in OTHERS)


@pytest.mark.parametrize(
    "garbage", ["{no JSON", "[]", "5", "{}", '{"headers": null}', '{"headers": {"id": []}}']
)
def test_garbage_in_a_queue_or_in_a_workers_hands_keeps_no_message_missing(
    keeper: Maintenance, records: Records, garbage: str
):
    for queue in ("celery", "other"):
        message = MESSAGE | {"options": {"queue": queue}}
        task_id = records.starts.create(
            owner="ada", message=message, title="Add", max_attempts=4
        ).task_id
        records.outbox.mark_published(task_id)
        records.client.lpush(queue, garbage)
    records.client.hset("unacked", "tag", garbage)

    keeper.sweeper.check_missing()
    keeper.sweeper.check_missing()

    assert records.client.zcard("headway:outbox") == 2


def test_a_queue_that_cannot_be_read_keeps_no_other_from_being_read(
    keeper: Maintenance, records: Records
):
    for queue in ("broken", "other"):
        message = MESSAGE | {"options": {"queue": queue}}
        records.outbox.mark_published(
            records.starts.create(owner="ada", message=message, title="Add", max_attempts=4).task_id
        )
    records.client.set("broken", "not a list")

    keeper.sweeper.check_missing()
    keeper.sweeper.check_missing()

    assert records.client.zcard("headway:outbox") == 1


def test_a_run_that_cannot_be_ended_keeps_no_other_from_being_ended(
    keeper: Maintenance, records: Records
):
    requests = []
    for number, task_id in enumerate(IDS, 1):
        claim(records, task_id)
        records.cancel(task_id)
        requests.append(SimpleNamespace(id=task_id, worker_pid=number))
    records.client.zadd("headway:kill_deadlines", dict.fromkeys(IDS, 0))
    pool = keeper._worker.pool

    def terminate_job(pid: int, _: int) -> None:
        if pid == IDS.index(BAD) + 1:
            raise ProcessLookupError(pid)
        pool.ended.append(pid)

    pool.terminate_job = terminate_job
    _with_active(requests, keeper._sweep)

    assert sorted(pool.ended) == [1, 2, 4, 5]


def _with_active(requests: list[Any], do: Any) -> None:
    kept, state.active_requests = state.active_requests, requests  # type: ignore[assignment]
    try:
        do()
    finally:
        state.active_requests = kept


def _raise_for_one(
    monkeypatch: pytest.MonkeyPatch, backend: Any, duty: str, error: Exception
) -> list[str]:
    done = []
    real = getattr(backend, duty)

    def perform(task_id: str, *rest: Any) -> None:
        if task_id == BAD:
            raise error
        done.append(task_id)
        real(task_id, *rest)

    monkeypatch.setattr(backend, duty, perform)
    return done

"""Maintenance by real workers: lost processes, lost messages, scheduled and cancelled tasks.

Real workers run tests/plain_celery.py, a Celery project that names Headway's backend and task
class, and nothing else.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from math import floor
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import bootsteps, chord

from headway.celery.messages.broker import break_off
from headway.celery.worker.leases import RENEWALS
from headway.celery.worker.loop_watch import STUCK_AFTER
from headway.celery.worker.maintenance import CHECK_EVERY, SWEEP_SECONDS, Maintenance
from headway.settings import LEASE_SECONDS
from headway.snapshot import Phase, Snapshot
from headway.store.records import Records
from tests import plain_celery as plain
from tests.documents import page
from tests.faults.proxy import Proxy
from tests.late_pool import LATE_SECONDS
from tests.processes import Process, Valkey, children_of, freeze, running, wait_for, worker


@pytest.fixture(scope="module")
def workers(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    for app in (plain.celery, plain.stock):
        app.conf.broker_url = valkey.url
    plain.celery.conf.result_backend = f"headway.celery.backend.LiveBackend+{valkey.url}"
    plain.stock.conf.result_backend = valkey.url
    env = {"REDIS_URL": valkey.url}
    with running(
        worker(tmp_path_factory.mktemp("worker"), env, "celery", "tests.plain_celery")
    ) as process:
        yield process


@pytest.fixture
def another(workers: Process, valkey: Valkey, tmp_path: Path) -> Iterator[Process]:
    """A worker that alone takes from the queue "other"."""
    process = worker(tmp_path, {"REDIS_URL": valkey.url}, "other", "tests.plain_celery")
    yield process
    process.kill()
    plain.celery.control.cancel_consumer("other")


@pytest.fixture
def records(workers: Process, valkey: Valkey) -> Iterator[Records]:
    client = valkey.connect()
    yield Records(client, 7)
    client.close()


def snapshot(records: Records, task_id: str) -> Snapshot | None:
    [stored] = records.read([task_id])
    return Snapshot.from_json(stored.snapshot) if stored else None


def reached(records: Records, task_id: str, *phases: Phase, seconds: float = 20) -> Snapshot:
    """Return the task's snapshot once it is in one of these phases."""

    def found() -> Snapshot | None:
        now = snapshot(records, task_id)
        return now if now and now.phase in phases else None

    return wait_for(found, seconds, f"{task_id} is {snapshot(records, task_id)}")


def at_the_broker(records: Records, task_id: str) -> bool:
    """Whether the broker has a message of the task, in the queue or in a worker's hands."""
    return task_id in "".join(
        records.client.lrange("celery", 0, -1) + records.client.hvals("unacked")
    )


def create(records: Records, queue: str = "celery") -> str:
    """Make the record of a task whose message went to the broker, and is there no more."""
    message = {
        "task": "tests.plain_celery.add",
        "args": [20, 22],
        "kwargs": {},
        "options": {"queue": queue},
    }
    task_id = records.starts.create(
        owner="ada", message=message, title="Add", max_attempts=4
    ).task_id
    records.outbox.mark_published(task_id)
    return task_id


def test_a_task_whose_process_dies_is_tried_again(records: Records, tmp_path: Path):
    result = plain.die_once.delay(str(tmp_path))

    end = reached(records, result.id, Phase.SUCCEEDED, Phase.FAILED)

    assert (end.phase, end.result, end.attempt, end.error) == ("succeeded", "alive", 2, None)


def test_a_task_that_kills_its_process_each_time_ends_and_the_pool_works_on(records: Records):
    result = plain.die.delay()

    end = reached(records, result.id, Phase.FAILED, seconds=60)

    assert (end.error["type"], end.attempt, end.max_attempts) == ("WorkerLost", 4, 4)
    assert plain.add.delay(20, 22).get(timeout=10) == 42


def test_a_run_that_was_killed_before_its_worker_heard_of_it_counts_as_an_attempt(
    records: Records, valkey: Valkey, tmp_path: Path
):
    """Celery's pool hands on the message of a process that died while the pool saw to the death
    of another.
    """
    with running(worker(tmp_path, {"REDIS_URL": valkey.url}, "late", "tests.late_pool")) as late:
        pool = children_of(late.pid)
        for pid in pool:
            freeze(pid)
        ran = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            ran.append(plain.die_once.apply_async((str(tmp_path / name),), queue="late"))
        wait_for(lambda: late.output().count(" received") == 2)
        time.sleep(0.5)  # for both to be handed to a process
        for pid in pool:
            os.kill(pid, signal.SIGCONT)
            time.sleep(LATE_SECONDS / 4)

        ends = [reached(records, result.id, Phase.SUCCEEDED) for result in ran]

    assert [end.attempt for end in ends] == [2, 2]


def test_what_a_killed_worker_ran_goes_on_elsewhere_and_what_was_cancelled_does_not(
    records: Records, another: Process, tmp_path: Path
):
    """Killed with all its processes, so that nobody is left to say so: only its leases end,
    here at once.
    """
    counts = tmp_path / "counts"
    counts.mkdir()
    ran = [plain.note_and_sleep.apply_async((str(counts), 3), queue="other") for _ in range(2)]
    stopped = [plain.sleep.apply_async((600,), queue="other") for _ in range(2)]
    for result in ran + stopped:
        reached(records, result.id, Phase.RUNNING)
    for result in stopped:
        assert records.cancel(result.id).outcome == "cancelling"
    wait_for(lambda: len(os.listdir(counts)) == 2)  # a run begins a little after its claim

    another.kill()
    records.client.zadd("headway:leases", {result.id: 0 for result in ran + stopped})  # it is over
    plain.celery.control.add_consumer("other", reply=True, limit=1, timeout=20)

    for result in stopped:
        assert reached(records, result.id, Phase.CANCELLED, seconds=30).attempt == 1
    for result in ran:
        assert reached(records, result.id, Phase.SUCCEEDED, seconds=30).attempt == 2
    assert len(os.listdir(counts)) == 4


def test_what_a_stopped_worker_ran_goes_back_and_has_not_failed(records: Records, another: Process):
    long = plain.sleep.apply_async((600,), queue="other")
    short = plain.sleep.apply_async((1,), queue="other")
    for result in (long, short):
        reached(records, result.id, Phase.RUNNING)

    another.stop(seconds=15)

    waiting = snapshot(records, long.id)
    assert (waiting.phase, waiting.status, waiting.attempt) == ("queued", "Pending...", 1)
    assert snapshot(records, short.id).phase == "succeeded"
    assert records.client.hget(f"headway:task:{long.id}", "failures") == "0"
    plain.celery.control.add_consumer("other", reply=True, limit=1, timeout=20)
    assert reached(records, long.id, Phase.RUNNING).attempt == 2
    records.cancel(long.id)


def test_a_chord_counts_a_part_once_though_its_process_died(records: Records, tmp_path: Path):
    once = tmp_path / "once"
    counts = tmp_path / "counts"
    once.mkdir()
    counts.mkdir()

    chord([plain.add.si(1, 1), plain.die_once.si(str(once))], app=plain.celery)(
        plain.note.si(str(counts))
    )

    wait_for(lambda: os.listdir(counts))
    plain.add.delay(1, 1).get(timeout=10)
    assert len(os.listdir(counts)) == 1


def test_what_another_client_sends_for_later_waits_in_redis_until_redis_says_so(records: Records):
    result = plain.stock.send_task("tests.plain_celery.add", (20, 22), countdown=2)

    waiting = reached(records, result.id, Phase.SCHEDULED)
    assert waiting.scheduled_for is not None
    wait_for(lambda: not at_the_broker(records, result.id))  # no worker has it in its memory
    end = reached(records, result.id, Phase.SUCCEEDED)

    assert (end.result, end.attempt) == (42, 1)
    assert end.started_at is not None
    assert end.started_at >= waiting.scheduled_for


def test_what_is_sent_for_later_by_the_app_itself_never_comes_to_the_broker_before_its_time(
    records: Records,
):
    result = plain.add.apply_async((20, 22), countdown=60)

    assert reached(records, result.id, Phase.SCHEDULED).attempt == 0
    assert not at_the_broker(records, result.id)
    assert records.reschedule(result.id, "").outcome == "queued"
    assert reached(records, result.id, Phase.SUCCEEDED).result == 42


def test_a_retry_waits_in_redis_too(records: Records):
    result = plain.fail_then_succeed.delay(1)

    reached(records, result.id, Phase.RETRYING)
    wait_for(
        lambda: (
            not at_the_broker(records, result.id)
            or snapshot(records, result.id).phase != Phase.RETRYING
        )
    )

    assert reached(records, result.id, Phase.SUCCEEDED).attempt == 2


def test_a_cancelled_task_ends_whatever_it_catches(records: Records):
    result = plain.stubborn.delay()
    reached(records, result.id, Phase.RUNNING)

    assert records.cancel(result.id).outcome == "cancelling"

    assert reached(records, result.id, Phase.CANCELLED).status == "Cancelled"


def test_a_cancelled_task_that_says_nothing_is_ended_and_its_worker_works_on(records: Records):
    result = plain.sleep.delay(600)
    reached(records, result.id, Phase.RUNNING)

    assert records.cancel(result.id).outcome == "cancelling"

    assert reached(records, result.id, Phase.CANCELLED).attempt == 1
    assert plain.add.delay(20, 22).get(timeout=10) == 42


def test_a_cancelled_task_that_waits_is_never_run(records: Records, tmp_path: Path):
    result = plain.note.apply_async((str(tmp_path),), countdown=1)

    assert records.cancel(result.id).outcome == "cancelled"

    plain.sleep.delay(2).get(timeout=15)
    assert os.listdir(tmp_path) == []


def test_a_task_that_asks_to_be_ignored_is_not_taken_for_lost(records: Records):
    result = plain.ignore.delay()
    wait_for(lambda: (s := snapshot(records, result.id)) and s.status == "halfway")

    wait_for(lambda: records.client.zscore("headway:leases", result.id) is None)

    assert snapshot(records, result.id).phase == "running"


def test_a_rejected_message_is_taken_again_at_once(records: Records, tmp_path: Path):
    result = plain.reject_once.delay(str(tmp_path))

    assert reached(records, result.id, Phase.SUCCEEDED, seconds=10).result == "taken"


def test_a_lost_message_is_sent_again_and_one_that_waits_is_not(records: Records):
    queue = "nobody-takes-it"
    waiting = []
    for _ in range(300):
        waiting.append(create(records, queue))
        # At once, before two looks miss it.
        plain.stock.send_task("tests.plain_celery.add", (1, 1), task_id=waiting[-1], queue=queue)

    lost = create(records)

    # after two looks at all queues
    assert reached(records, lost, Phase.SUCCEEDED, seconds=30).result == 42
    assert records.client.llen("nobody-takes-it") == len(waiting)
    assert not any(records.client.zscore("headway:outbox", task_id) for task_id in waiting)


def test_a_worker_takes_tasks_again_soon_after_its_broker_was_half_open(
    workers: Process, records: Records, valkey: Valkey, tmp_path: Path
):
    with Proxy(valkey.port) as proxy:
        env = {"REDIS_URL": valkey.url, "BROKER_URL": f"redis://127.0.0.1:{proxy.port}/0"}
        with running(worker(tmp_path, env, "hangs", "tests.plain_celery")) as process:
            before = plain.stock.send_task("tests.plain_celery.add", (1, 1), queue="hangs")
            assert before.get(timeout=10) == 2  # its loop turns, and waits for the next one
            proxy.swallow()
            wait_for(lambda: "dropping stale connection" in process.output(), 30)
            proxy.heal()

            # Redis may pop its message for a connection that kombu then gives up unread: it is sent
            # again once two checks have missed it.
            task_id = create(records, "hangs")

            assert reached(records, task_id, Phase.SUCCEEDED, seconds=60).result == 42


def test_a_worker_keeps_its_places_when_the_broker_takes_no_word_of_its_messages(
    workers: Process, valkey: Valkey, tmp_path: Path
):
    places = 4
    folder = tmp_path / "rejected"
    folder.mkdir()
    env = {"REDIS_URL": valkey.url, "FAILURES": str(places)}
    with running(worker(tmp_path, env, "fails", "tests.failing_settlements")) as process:
        results = [plain.add.apply_async((n, n), queue="fails") for n in range(places - 1)]
        rejected = plain.reject_once.apply_async((str(folder),), queue="fails")
        wait_for(lambda: process.output().count("Couldn't") == places)

        later = plain.add.apply_async((20, 22), queue="fails")

        assert (later.get(timeout=15), rejected.get(timeout=15)) == (42, "taken")
        assert [result.get(timeout=20) for result in results] == [0, 2, 4]


def test_a_worker_that_is_stopped_while_it_reads_a_result_ends(
    workers: Process, valkey: Valkey, tmp_path: Path
):
    with running(
        worker(tmp_path, {"REDIS_URL": valkey.url}, "stops", "tests.stopped_mid_result")
    ) as process:
        result = plain.add.apply_async((20, 22), queue="stops")

        assert process.popen.wait(30) is not None

    assert result.get(timeout=10) == 42
    assert "Cold shutdown" in process.output()


def test_a_worker_that_is_stopped_while_it_starts_ends_without_a_word_of_fault(
    valkey: Valkey, tmp_path: Path
):
    env = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "REMAP_SIGTERM": "SIGQUIT"}
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.stopped_early",
        "worker",
        "-c",
        "1",
        "-n",
        "early@%h",
    ]

    process = Process(command, tmp_path / "early.log", env)
    process.popen.wait(30)

    assert "Cold shutdown" in process.output()
    assert "Traceback" not in process.output()


@pytest.fixture
def freed(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the connections that are broken off."""
    connections: list[object] = []
    monkeypatch.setattr("headway.celery.messages.broker.break_off", connections.append)
    return connections


def maintenance_of_a_loop(
    call_soon: Callable[[Callable[[], None]], object], connection: object = None
) -> Maintenance:
    """Maintenance of a worker whose loop calls back by `call_soon`."""
    worker = SimpleNamespace(
        app=plain.celery,
        options={},
        hostname="loop@here",
        concurrency=1,
        pool=SimpleNamespace(uses_semaphore=True),
        blueprint=SimpleNamespace(state=bootsteps.RUN),
        hub=SimpleNamespace(call_soon=call_soon),
        consumer=SimpleNamespace(connection=connection),
    )
    return Maintenance(worker)


def test_what_takes_long_costs_a_worker_none_of_its_leases(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain.celery.backend.records, "lease_seconds", 0.2)
    maintenance = maintenance_of_a_loop(lambda callback: callback())
    renewed: list[bool] = []
    monkeypatch.setattr(maintenance._leases, "renew", lambda *, taking: renewed.append(taking))
    done = threading.Event()
    monkeypatch.setattr(maintenance, "_sweep", lambda: done.wait(10))
    monkeypatch.setattr(maintenance, "_heartbeats", None)
    thread = threading.Thread(target=maintenance._run)

    thread.start()
    wait_for(lambda: len(renewed) > 3)
    maintenance._stop.set()
    done.set()
    thread.join()

    count = len(renewed)
    time.sleep(0.2)
    assert len(renewed) == count  # else a worker that has left would come back
    assert {one.name for one in threading.enumerate()}.isdisjoint({"leases"})


def test_a_loop_that_turns_as_soon_as_it_is_called_is_left_alone(freed: list[object]):
    maintenance = maintenance_of_a_loop(lambda callback: callback())

    for _ in range(2 * STUCK_AFTER):
        maintenance.loop_watch.check()

    assert freed == []


def test_a_loop_that_stands_still_is_freed(freed: list[object]):
    turns: list[Callable[[], None]] = []
    connection = object()
    maintenance = maintenance_of_a_loop(turns.append, connection)

    for _ in range(STUCK_AFTER - 1):
        maintenance.loop_watch.check()
    assert freed == []
    turns[-1]()  # the loop has turned
    for _ in range(STUCK_AFTER):
        maintenance.loop_watch.check()

    assert freed == [connection]


def test_a_read_that_nothing_ends_is_broken_off_from_another_thread(valkey: Valkey):
    plain.stock.conf.broker_url = valkey.url
    with plain.stock.connection_for_read() as connection:
        listener = connection.default_channel.subclient
        listener.subscribe("nothing-comes")
        listener.parse_response()
        ended: list[object] = []

        def read() -> None:
            try:
                ended.append(listener.parse_response())
            except Exception as error:
                ended.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.2)  # so that it reads; nothing tells
        assert ended == []
        break_off(connection)
        thread.join(10)
        listener.close()

    assert len(ended) == 1


def test_the_document_says_when_what_a_killed_worker_held_comes_back():
    lease = LEASE_SECONDS.default
    renewal = lease / RENEWALS
    look = max(CHECK_EVERY, int(renewal / SWEEP_SECONDS) + 2) * SWEEP_SECONDS
    ends = floor(lease - renewal)

    said = page("docs/celery.md")

    assert f"again then, {ends} to {lease:.0f} s after the kill" in said
    assert f"every {look:.0f} s, and sent again once" in said
    assert f": {floor(ends + look)} to {lease + 2 * look:.0f} s after the kill" in said

"""Every state change of every task passes through the record.

Celery's own clients notice no difference.

Real workers run tests/plain_celery.py: a Celery project that uses Headway's backend and task class,
and nothing else.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery, chain, chord, group
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.result import AsyncResult, GroupResult
from kombu.exceptions import EncodeError

from headway.celery.storing.result_consumer import READ_AGAIN_SECONDS
from headway.snapshot import Snapshot
from headway.store.records import Records
from tests import plain_celery as plain
from tests.processes import Process, Valkey, running, wait_for, worker


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hold")


@pytest.fixture(scope="module")
def workers(
    valkey: Valkey, hold: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    env = {"REDIS_URL": valkey.url, "HOLD_DIR": str(hold)}
    for app in (plain.celery, plain.stock):
        app.conf.broker_url = valkey.url
    plain.celery.conf.result_backend = f"headway.celery.backend.LiveBackend+{valkey.url}"
    plain.stock.conf.result_backend = valkey.url
    with running(
        worker(tmp_path_factory.mktemp("worker"), env, "celery", "tests.plain_celery")
    ) as process:
        yield process


@pytest.fixture
def records(workers: Process, valkey: Valkey) -> Iterator[Records]:
    client = valkey.connect()
    yield Records(client, 7)
    client.close()


def snapshot(records: Records, task_id: str) -> Snapshot | None:
    [stored] = records.read([task_id])
    return Snapshot.from_json(stored.snapshot) if stored else None


def final(records: Records, task_id: str, seconds: float = 15) -> Snapshot:
    def ended() -> Snapshot | None:
        found = snapshot(records, task_id)
        return found if found and found.final else None

    return wait_for(ended, seconds, f"{task_id} has no end: {snapshot(records, task_id)}")


def stock_result(task_id: str) -> AsyncResult:
    assert type(plain.stock.backend) is RedisBackend
    return AsyncResult(task_id, app=plain.stock)


def test_progress_and_success_are_pushed_in_order(records: Records):
    listener = records.client.pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("flask-socketio:task:*")
    listener.get_message(timeout=20)

    result = plain.report.delay(5)
    history: list[Snapshot] = []
    while not history or not history[-1].final:
        message = listener.get_message(timeout=10)
        assert message is not None or not history, "pushes stopped before the end"
        if message and message["channel"].endswith(result.id):
            history.append(Snapshot.from_json(json.dumps(json.loads(message["data"])[1])))
    listener.close()

    assert [s.phase for s in history] == ["queued"] + ["running"] * 6 + ["succeeded"]
    assert [s.status for s in history][2:-1] == [f"step {n}" for n in range(5)]
    assert (history[-1].status, history[-1].result, history[-1].current, history[-1].total) == (
        "done",
        [5],
        5,
        5,
    )
    versions = [s.version for s in history]
    assert versions == sorted(set(versions))


def test_failure_shows_its_type_and_words_and_no_traceback(records: Records):
    result = plain.fail.delay("no such file: redis://user:hunter2@db/0\nsecond line")

    end = final(records, result.id)

    assert end.phase == "failed"
    assert end.error == {
        "type": "ValueError",
        "message": "no such file: redis://***@db/0 second line",
    }
    with pytest.raises(ValueError, match="no such file"):
        result.get(timeout=20)


def test_a_retry_shows_when_it_comes_and_why_and_then_counts_the_attempt(records: Records):
    result = plain.fail_then_succeed.delay(1)

    waiting = wait_for(lambda: (s := snapshot(records, result.id)) and s.phase == "retrying" and s)
    assert waiting.error == {"type": "ConnectionError", "message": "refused"}
    assert waiting.scheduled_for is not None
    assert waiting.scheduled_for > waiting.updated_at
    assert stock_result(result.id).state == "RETRY"

    end = final(records, result.id)
    assert (end.phase, end.attempt, end.result, end.error) == ("succeeded", 2, 1, None)


def test_a_state_of_the_authors_own_is_running(records: Records, hold: Path):
    result = plain.upload.delay()

    uploading = wait_for(
        lambda: (s := snapshot(records, result.id)) and s.status == "UPLOADING" and s
    )
    assert (uploading.phase, uploading.state) == ("running", "PROGRESS")
    assert result.state == "UPLOADING"
    (hold / result.id).touch()
    assert final(records, result.id).phase == "succeeded"


def test_a_soft_time_limit_is_shown(records: Records):
    result = plain.too_long_soft.delay()

    end = final(records, result.id)

    assert (end.phase, end.error["type"]) == ("failed", "TimeLimitExceeded")


def test_a_hard_time_limit_is_shown(records: Records):
    result = plain.too_long.delay()

    end = final(records, result.id)

    assert (end.phase, end.error["type"]) == ("failed", "TimeLimitExceeded")
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=20)


def test_a_lost_worker_is_shown(records: Records):
    result = plain.die.delay()

    end = final(records, result.id, 60)  # each of its four attempts has to be missed

    assert (end.phase, end.error["type"]) == ("failed", "WorkerLost")
    with pytest.raises(WorkerLostError):
        result.get(timeout=20)


def test_revoking_a_running_task_ends_it_as_cancelled(records: Records, workers: Process):
    result = plain.report.delay(1000, 0.05)
    wait_for(lambda: (s := snapshot(records, result.id)) and s.current > 0)

    result.revoke(terminate=True)

    end = final(records, result.id)
    assert (end.phase, end.state) == ("cancelled", "REVOKED")
    assert stock_result(result.id).state == "REVOKED"
    assert 0 < end.current < 1000


def test_revoking_a_waiting_task_and_an_expired_message_end_as_cancelled(records: Records):
    later = plain.add.apply_async((1, 2), countdown=2)
    later.revoke()
    expired = plain.add.apply_async((1, 2), expires=-1)

    assert final(records, later.id).phase == "cancelled"
    assert final(records, expired.id).phase == "cancelled"


def test_a_task_that_ignores_its_result_shows_its_end_without_the_value(records: Records):
    result = plain.silent.delay()

    end = final(records, result.id)

    assert (end.phase, end.result) == ("succeeded", None)
    assert json.loads(records.client.get(f"celery-task-meta-{result.id}"))["result"] is None


def test_ignore_leaves_what_the_task_last_said(records: Records):
    result = plain.ignore.delay()

    said = wait_for(lambda: (s := snapshot(records, result.id)) and s.status == "halfway" and s)

    assert (said.phase, said.current, said.total) == ("running", 1, 2)


def test_a_replaced_task_keeps_its_id_and_its_record(records: Records):
    result = plain.hand_over.delay()

    assert result.get(timeout=10) == 42
    assert (final(records, result.id).result, final(records, result.id).attempt) == (42, 2)


def test_progress_reports_by_the_convenient_words_too(records: Records):
    result = plain.tracked.delay(3)

    end = final(records, result.id)

    assert (end.phase, end.current, end.total) == ("failed", 3, 3)
    assert [line["text"] for line in records.queries.read_log(result.id, 0)["lines"]] == [
        "all read"
    ]


def test_a_second_delivery_does_not_run_beside_the_first(records: Records, tmp_path: Path):
    result = plain.note_and_sleep.delay(str(tmp_path), 1.0)
    wait_for(lambda: (s := snapshot(records, result.id)) and s.phase == "running")

    plain.note_and_sleep.apply_async((str(tmp_path), 1.0), task_id=result.id)
    plain.note_and_sleep.apply_async((str(tmp_path), 1.0), task_id=result.id)

    assert result.get(timeout=10) == result.id
    plain.add.delay(1, 1).get(timeout=10)  # the worker has been through the queue
    assert len(os.listdir(tmp_path)) == 1
    assert final(records, result.id).attempt == 1


@pytest.mark.parametrize("client", ["live", "stock"])
def test_groups_chains_and_chords_keep_working(records: Records, client: str):
    app = plain.celery if client == "live" else plain.stock

    def sig(name, *args):
        return app.signature(f"tests.plain_celery.{name}", args=args)

    assert sig("add", 2, 3).apply_async().get(timeout=10) == 5
    assert (
        chain(sig("add", 1, 2), sig("add", 3), sig("add", 4), app=app).apply_async().get(timeout=10)
        == 10
    )
    many = group([sig("add", n, n) for n in range(8)], app=app).apply_async()
    assert many.get(timeout=10) == [2 * n for n in range(8)]
    assert chord([sig("add", n, n) for n in range(8)], app=app)(sig("total")).get(timeout=10) == 56


def test_a_group_can_be_saved_restored_and_joined_natively(records: Records):
    result = group(plain.add.s(n, 1) for n in range(5)).apply_async()
    result.save()
    for child in result.children:  # who subscribes late can miss a push, with Celery's own client
        final(records, child.id)

    restored = GroupResult.restore(result.id, app=plain.stock)

    assert restored.join_native(timeout=10) == [1, 2, 3, 4, 5]
    many = dict(plain.stock.backend.get_many([child.id for child in result.children], timeout=20))
    assert sorted(meta["result"] for meta in many.values()) == [1, 2, 3, 4, 5]


@contextmanager
def waiting(records: Records, result: AsyncResult) -> Iterator[list[object]]:
    """Wait for a result from within a thread.

    Yields where it will be, once Redis knows that somebody waits.
    """
    got: list[object] = []
    waiter = threading.Thread(target=lambda: got.append(result.get(timeout=15)))
    waiter.start()
    wait_for(lambda: records.client.pubsub_channels(f"celery-task-meta-{result.id}"))
    wait_for(lambda: (s := snapshot(records, result.id)) and s.phase == "running")
    yield got
    waiter.join(15)


def test_a_stock_client_waits_for_a_result_by_push(records: Records, hold: Path):
    result = plain.upload.delay()

    with waiting(records, stock_result(result.id)) as got:
        (hold / result.id).touch()

    assert got == [None]


def test_a_result_whose_push_went_to_nobody_is_read(records: Records, hold: Path):
    result = plain.upload.delay()
    channel = f"celery-task-meta-{result.id}"

    with waiting(records, result) as got:
        plain.celery.backend.result_consumer._pubsub.unsubscribe(channel)
        wait_for(lambda: not records.client.pubsub_channels(channel))
        (hold / result.id).touch()

    assert got == [None]


def test_results_that_are_no_text_are_waited_for_too(records: Records, valkey: Valkey):
    app = Celery(
        "pickles", backend=f"headway.celery.backend.LiveBackend+{valkey.url}", set_as_current=False
    )
    app.conf.update(result_serializer="pickle", result_accept_content=["pickle"])
    result = AsyncResult("a-pickle", app=app)
    app.backend.store_result(result.id, {"half"}, "UPLOADING")
    end = threading.Timer(
        READ_AGAIN_SECONDS + 0.5, lambda: app.backend.mark_as_done(result.id, {"all"})
    )
    end.start()

    assert result.get(timeout=10) == {"all"}
    end.join()


def test_only_who_waits_for_a_result_subscribes_to_it(records: Records):
    result = plain.add.delay(20, 22)
    # results of other tests have theirs
    before = records.client.pubsub_channels(f"celery-task-meta-{result.id}")

    assert (before, result.get(timeout=15)) == ([], 42)


def test_a_chord_with_a_failing_part_fails_once(records: Records, tmp_path: Path):
    body = plain.total.s().on_error(plain.note.si(str(tmp_path)))
    result = chord([plain.add.s(1, 1), plain.fail.s("part")], app=plain.celery)(body)

    end = final(records, result.id)

    assert end.phase == "failed"
    wait_for(lambda: os.listdir(tmp_path))
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("end", ["FAILURE", "REVOKED", "SUCCESS"])
def test_late_progress_does_not_undo_an_end_where_celerys_own_store_lets_it(
    records: Records, valkey: Valkey, end: str
):
    ours = "ours-" + end
    celerys = "celerys-" + end
    value = ValueError("x") if end != "SUCCESS" else 1

    for backend, task_id in ((plain.celery.backend, ours), (plain.stock.backend, celerys)):
        backend.store_result(task_id, value, end)
        backend.store_result(task_id, {"current": 1, "total": 2}, "PROGRESS")

    assert AsyncResult(ours, app=plain.celery).state == end
    assert snapshot(records, ours).final
    undone = AsyncResult(celerys, app=plain.stock).state
    # why Headway has a backend of its own
    assert undone == ("SUCCESS" if end == "SUCCESS" else "PROGRESS")


def test_a_refused_failure_counts_in_no_chord_and_calls_nobody(records: Records, tmp_path: Path):
    from celery.app.task import Context

    backend = plain.celery.backend
    errback = plain.note.si(str(tmp_path))
    request = Context(
        id="over", errbacks=[errback], retries=0, headway_fence="t", task="tests.plain_celery.add"
    )
    counted = []
    backend.store_result("over", 1, "SUCCESS")
    request.chord = errback
    backend.on_chord_part_return = lambda *args, **kwargs: counted.append(args)
    try:
        backend.mark_as_failure("over", ValueError("late"), request=request)
        backend.mark_as_done("over", 2, request=request)
        backend.mark_as_revoked("over", "late", request=request)
    finally:
        del backend.on_chord_part_return

    plain.add.delay(1, 1).get(timeout=10)
    assert counted == []
    assert os.listdir(tmp_path) == []
    assert AsyncResult("over", app=plain.stock).result == 1


def test_forgetting_a_result_drops_the_record(records: Records):
    result = plain.add.delay(1, 1)
    result.get(timeout=10)

    result.forget()

    assert snapshot(records, result.id) is None


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("state", ["PROGRESS", "RETRY", "PENDING", "A WORD OF ONE'S OWN"])
def test_a_state_has_celerys_own_form(extended: bool, state: str):
    app = Celery(
        set_as_current=False, backend="headway.celery.backend.LiveBackend+redis://127.0.0.1:1"
    )
    app.conf.result_extended = extended
    children = [AsyncResult("child", app=app)]
    whole = Context(
        id="a",
        task="t",
        args=[1],
        kwargs={},
        group="g",
        parent_id="p",
        children=children,
        retries=2,
    )
    for request in (None, Context(id="a", task="t"), whole):
        stock = RedisBackend._get_result_meta(app.backend, {"current": 1}, state, None, request)

        assert app.backend._get_result_meta({"current": 1}, state, None, request) == stock


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_a_result_has_celerys_own_form(serializer: str, compression: str | None):
    app = Celery(
        set_as_current=False, backend="headway.celery.backend.LiveBackend+redis://127.0.0.1:1"
    )
    app.conf.update(result_serializer=serializer, result_compression=compression)
    for result in ("ä", 1.5, {1: [None, (True,)]}, datetime(2026, 1, 2, tzinfo=UTC)):
        assert app.backend.encode({"result": result}) == RedisBackend.encode(
            app.backend, {"result": result}
        )


@pytest.mark.parametrize("result", [object(), {(1, 2): 3}])
def test_a_result_that_cannot_be_written_is_celerys_own_error(result: object):
    app = Celery(
        set_as_current=False, backend="headway.celery.backend.LiveBackend+redis://127.0.0.1:1"
    )

    with pytest.raises(EncodeError):
        app.backend.encode({"result": result})

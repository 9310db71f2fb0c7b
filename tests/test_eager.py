"""Tasks in the test's own process, without a service: `headway_eager` and `headway_run`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import Ignore

from headway import progress
from headway.celery.storing.publishing import Recorder
from headway.exceptions import ConfigError, HeadwayError
from headway.testing.eager import Eager
from tests import plain_celery as plain
from tests.processes import Valkey

shop = Celery(
    "eager-shop",
    broker="redis://127.0.0.1:1/0",
    backend="headway+redis://127.0.0.1:1/0",
    set_as_current=False,
)


@shop.task(name="count", shared=False)
def count(numbers: list[int]) -> None:
    for number in numbers:
        progress.set(current=number, total=10, status=f"at {number}")


@shop.task(name="tick", shared=False)
def tick(times: int) -> None:
    for _ in progress.track(range(times), "Ticking"):
        progress.log("tick")


@shop.task(name="for_ever", bind=True, max_retries=None, shared=False)
def for_ever(self) -> None:
    raise self.retry(countdown=1)


@shop.task(name="outer", shared=False)
def outer() -> str:
    tick.delay(1)
    return f"{tick.apply((2,)).state} {count([1])}"


@shop.task(name="leave", shared=False)
def leave(how: str) -> None:
    raise SystemExit(how)


@shop.task(name="ends_itself", bind=True, shared=False)
def ends_itself(self) -> None:
    self.update_state(state="SUCCESS", meta=7)
    raise Ignore


@shop.task(name="total", shared=False)
def total(numbers: list[int]) -> int:
    return sum(numbers)


@shop.task(name="large", shared=False)
def large() -> list[int]:
    return list(range(5000))


@shop.task(name="thread", shared=False)
def thread() -> None:
    helper = threading.Thread(target=lambda: progress.log("from a thread"))
    helper.start()
    helper.join()


@shop.task(name="starts_in_thread", shared=False)
def starts_in_thread() -> None:
    helper = threading.Thread(target=tick.delay, args=[1])
    helper.start()
    helper.join()


@pytest.fixture
def eager() -> Iterator[Eager]:
    with Eager(shop).active() as eager:
        yield eager


@pytest.fixture
def plain_eager(valkey: Valkey) -> Iterator[Eager]:
    plain.use(valkey.url)  # where other files' tests want it afterwards
    with Eager(plain.celery).active() as eager:
        yield eager


def numbers(run) -> list[tuple[float, float | None]]:
    return [(each.current, each.total) for each in run.snapshots]


def test_each_number_is_a_snapshot_and_they_are_the_same_each_time(eager: Eager):
    stories = {eager.run(tick, 5).story() for _ in range(10)}

    assert len(stories) == 1
    run = eager.run(tick, 5)
    assert numbers(run) == [(0, 1), (0, 1), *((done, 5) for done in range(6)), (5, 5)]
    assert [line["seq"] for line in run.log_lines] == [1, 2, 3, 4, 5]


def test_the_rules_of_the_bar_are_those_of_the_record(eager: Eager):
    run = eager.run(count, [3, 15, 2, 4])  # 15 of 10 and a step back are not shown

    assert numbers(run) == [(0, 1)] * 2 + [(3, 10)] * 3 + [(4, 10), (10, 10)]
    assert [each.version for each in run.snapshots] == sorted({s.version for s in run.snapshots})


@pytest.mark.parametrize(
    ("task", "args", "phases", "result"),
    [
        (plain.add, (1, 2), ["running", "succeeded"], 3),
        (plain.report, (3,), ["running", "succeeded"], [3]),
        (plain.silent, (), ["running", "succeeded"], None),
        (plain.hand_over, (), ["running", "queued", "running", "succeeded"], 42),
        (
            plain.fail_then_succeed,
            (2,),
            ["running", "retrying", "queued"] * 2 + ["running", "succeeded"],
            2,
        ),
        (plain.fail, ("why",), ["running", "failed"], None),
        (plain.ignore, (), ["running"], None),
        (plain.tracked, (2,), ["running", "failed"], None),
    ],
)
def test_the_ways_in_which_a_run_ends(plain_eager: Eager, task, args, phases, result):
    run = plain_eager.run(task, *args)

    assert (run.phases, run.result) == (["queued", *phases], result)


def test_what_is_requeued_comes_again(plain_eager: Eager, tmp_path):
    plain_eager.run(plain.reject_once, str(tmp_path)).assert_succeeded("taken")


def test_a_body_that_exits_fails_its_task(eager: Eager):
    eager.run(leave, "now").assert_failed("SystemExit", "now")


def test_a_large_result_is_whole(eager: Eager):
    assert eager.run(large).result == list(range(5000))


def test_threads_belong_to_the_run(eager: Eager):
    eager.run(thread).assert_logged("from a thread")


def test_what_a_thread_of_a_task_starts_runs_after_it(eager: Eager):
    eager.run(starts_in_thread).assert_succeeded()

    eager.runs[1].assert_logged("tick")


def test_what_a_task_starts_runs_after_it(eager: Eager):
    run = eager.run(outer)

    run.assert_succeeded("SUCCESS None")  # what runs within it is its own
    assert [each.snapshot.name for each in eager.runs] == ["outer", "tick"]
    assert (run.log, eager.runs[1].log) == ([], ["tick"])


@pytest.mark.parametrize(
    "send",
    [
        lambda: plain.add.delay(1, 2),
        lambda: plain.add.apply_async((1, 2), countdown=3600),
        lambda: plain.add.apply((1, 2)),
        lambda: plain.celery.send_task("tests.plain_celery.add", (1, 2)),
        lambda: plain.celery.send_task("tests.plain_celery.add", (1, 2), countdown=3600),
        lambda: chain(plain.add.s(0, 1), plain.add.s(2))(),
    ],
)
def test_each_way_to_start_a_task(plain_eager: Eager, send):
    result = send()

    assert (result.state, result.get(timeout=20)) == ("SUCCESS", 3)
    plain_eager.run_of(result).assert_succeeded(3)


def test_what_is_for_later_is_scheduled_first(plain_eager: Eager):
    by_name = plain.celery.send_task("tests.plain_celery.add", (1, 2), countdown=3600)
    by_task = plain.add.apply_async((1, 2), countdown=3600)

    for result in (by_name, by_task):
        plain_eager.run_of(result).assert_phases("scheduled", "queued", "running", "succeeded")


def test_groups_and_chords(plain_eager: Eager):
    parts = [plain.add.s(1, number) for number in range(3)]

    assert group(parts)().get(timeout=20) == [1, 2, 3]
    assert chord(parts)(plain.total.s()).get(timeout=20) == 6


def test_maintenance_tells_a_chord_what_nobody_else_has(eager: Eager):
    result = chord([ends_itself.s(), ends_itself.s()])(total.s())

    assert result.get(timeout=20) == 14


def test_apply_raises_where_it_is_asked_to(plain_eager: Eager):
    with pytest.raises(ValueError, match="why"):
        plain.fail.apply(("why",), throw=True)


def test_a_task_that_nobody_knows_fails(plain_eager: Eager):
    result = plain.celery.send_task("nobody.knows")

    plain_eager.run_of(result).assert_failed("NotRegistered")


def test_a_task_that_is_registered_meanwhile(eager: Eager):
    @shop.task(name="late", shared=False)
    def late() -> str:
        progress.log("here")
        return "too"

    eager.run(late).assert_succeeded("too")
    assert eager.runs[0].log == ["here"]


def test_tasks_without_an_end_are_an_error(eager: Eager, monkeypatch):
    monkeypatch.setattr("headway.testing.eager.MAX_RUNS", 20)

    with pytest.raises(HeadwayError, match="never end"):
        for_ever.delay()


def test_always_eager_settings_make_no_difference(plain_eager: Eager, monkeypatch):
    monkeypatch.setitem(plain.celery.conf, "task_always_eager", True)

    result = plain.report.delay(2)

    plain_eager.run_of(result).assert_showed(status="step 1")


def test_all_is_as_it_was_afterwards(monkeypatch):
    backend = shop.backend
    task = shop.tasks["count"]
    before = dict(vars(backend)), backend.records.client, type(task), dict(os.environ)
    settings = list(shop.conf.maps)

    with Eager(shop).active() as eager:
        eager.run(count, [1])

    after = dict(vars(backend)), backend.records.client, type(task), dict(os.environ)
    assert after == before
    assert shop.backend is backend
    assert shop.conf.maps == settings
    sent: list[object] = []
    monkeypatch.setattr(Recorder, "publish", lambda recorder, *_: sent.append(recorder))
    count.delay([1])
    assert sent == [backend.recorder]


def test_an_app_that_is_not_live_is_refused():
    stock = Celery("stock", broker="memory://", backend="cache+memory://", set_as_current=False)

    with pytest.raises(ConfigError, match=r"set result_backend to headway.*headway_app"):
        Eager(stock).active().__enter__()


def test_a_task_of_another_app_is_refused(eager: Eager):
    with pytest.raises(HeadwayError, match="override the fixture headway_celery_app"):
        eager.run(plain.add, 1, 2)


def test_what_has_not_been_seen_is_said(eager: Eager):
    with pytest.raises(HeadwayError, match="Nothing has been seen of task nobody"):
        eager.run_of("nobody")

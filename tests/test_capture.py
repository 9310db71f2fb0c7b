"""The bars of tqdm in a task are the task's by one call, also in its libraries."""

from __future__ import annotations

import contextlib
import gc
import io
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import tqdm
import tqdm.auto
from celery import Celery

from headway import progress
from headway.celery.run import runs
from headway.snapshot import Snapshot
from headway.store.records import Records
from tests.bodies import log_of, pushes, read, run


def bars(tqdms: Any = tqdm.tqdm, **options: Any) -> Any:
    """A bar that draws nowhere."""
    return tqdms(file=io.StringIO(), **options)


def shown(snapshots: list[Snapshot]) -> list[tuple[Any, ...]]:
    return [(each.current, each.total, each.status, each.step) for each in snapshots]


@pytest.mark.parametrize("tqdms", [tqdm.tqdm, tqdm.auto.tqdm, type("Own", (tqdm.tqdm,), {})])
def test_a_bar_of_tqdm_is_the_tasks(celery: Celery, records: Records, tqdms: Any):
    def body() -> None:
        with progress.capture():
            for _ in bars(tqdms, iterable=range(7), desc="Reading"):
                pass

    end = read(records, run(celery, body))

    assert (end.current, end.total, end.status) == (7, 7, "Reading")


def test_each_item_counts_although_tqdm_has_not_drawn_it(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            for item in bars(iterable=range(100)):
                if item == 42:
                    progress.flush()
                    break

    with pushes(records) as seen:
        run(celery, body)
        pairs = [(each.current, each.total) for each in seen()]

    assert (42, 100) in pairs


def test_by_hand_without_a_total_and_with_another_name(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture(), bars() as bar:
            bar.update(3)
            bar.set_description("Downloading")
            progress.flush()
            bar.total = 10
            bar.update(2)
            bar.set_description_str("Unpacking")

    with pushes(records) as seen:
        end = read(records, run(celery, body))
        first = shown(seen())

    assert (3, None, "Downloading", None) in first
    assert (end.current, end.total, end.status) == (5, 10, "Unpacking")


def test_of_nested_bars_the_outer_one_is_the_tasks(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            for _ in bars(iterable=range(2), desc="Epoch"):
                for _ in bars(iterable=range(3), desc="Batch"):
                    progress.flush()

    with pushes(records) as seen:
        run(celery, body)
        said = shown(seen())

    step = {"index": None, "count": None, "name": "Batch", "current": 2, "total": 3}
    assert (1, 2, "Epoch", step) in said
    assert all(total in (1, 2) for _, total, _, _ in said)


def test_successive_bars_are_each_the_tasks(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            for size in (3, 5):
                for _ in bars(iterable=range(size)):
                    pass
                progress.flush()

    with pushes(records) as seen:
        run(celery, body)
        pairs = [(each.current, each.total) for each in seen()]

    assert (3, 3) in pairs
    assert pairs[-1] == (5, 5)


def test_a_bar_nests_in_the_tasks_own_steps(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture(), progress.step("Tokenising", 2, 4):
            for item in bars(iterable=range(10)):
                if item == 5:
                    progress.flush()

    with pushes(records) as seen:
        run(celery, body)
        said = [(each.current, each.total) for each in seen()]

    assert (1.5, 4) in said


def test_a_bar_that_nobody_closes_ends_with_the_block(celery: Celery, records: Records):
    kept: list[Any] = []

    def body() -> None:
        with progress.capture():
            kept.append(bars(total=10))
            kept[0].update(4)
        for _ in progress.track(range(2)):
            pass
        kept[0].update(1)  # no bar any more, and no error

    end = read(records, run(celery, body))

    assert (end.current, end.total) == (2, 2)


@pytest.mark.parametrize("off", ["block", "setting", "disabled"])
def test_a_bar_is_not_shown(celery: Celery, records: Records, off: str):
    celery.conf.headway_capture = False if off == "setting" else None

    def body() -> None:
        with contextlib.nullcontext() if off == "block" else progress.capture():
            print("unheard")
            for _ in bars(iterable=range(7), disable=off == "disabled"):
                pass

    task_id = run(celery, body)

    assert read(records, task_id).total in (1, None)
    assert log_of(records, task_id) == ([("INFO", "unheard")] if off == "disabled" else [])


def test_a_bar_that_is_not_drawn_without_a_terminal_is_shown(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            with bars(total=4, desc="Downloading", disable=None) as bar:
                bar.update(3)
                progress.flush()
            for _ in bars(iterable=range(5), desc="Unpacking", disable=None):
                pass
            for _ in bars(iterable=range(6), disable=None):
                pass

    with pushes(records) as seen:
        end = read(records, run(celery, body))
        said = shown(seen())

    assert (3, 4, "Downloading", None) in said
    assert (end.current, end.total, end.status, end.step) == (6, 6, "Unpacking", None)


def test_a_setting_captures_each_task_whole(celery: Celery, records: Records):
    celery.conf.headway_capture = True

    def body() -> None:
        print("heard")
        for _ in bars(iterable=range(7)):
            pass

    task_id = run(celery, body)

    assert read(records, task_id).current == 7
    assert log_of(records, task_id) == [("INFO", "heard")]


def test_a_cancelled_run_ends_at_its_next_item(celery: Celery, records: Records):
    done: list[int] = []

    def body() -> None:
        with progress.capture():
            for item in bars(iterable=range(100)):
                done.append(item)
                if item == 3:
                    records.cancel(celery.current_task.request.id)
                    runs.present().sender.ask()
                    progress.flush()

    with contextlib.suppress(BaseException):
        run(celery, body)

    assert done == [0, 1, 2, 3]


def test_the_garbage_collector_may_end_a_bar_in_the_middle_of_a_report(celery: Celery):
    """A generator in a cycle ends whenever the collector runs, even inside `report`."""

    def body() -> None:
        with progress.capture():
            items = iter(bars(iterable=range(3)))
            next(items)
            cycle = SimpleNamespace(items=items)
            cycle.self = cycle
            del items, cycle
            with runs.present().buffer._writing:
                gc.collect()

    thread = threading.Thread(target=run, args=(celery, body), daemon=True)
    thread.start()
    thread.join(20)

    assert not thread.is_alive()


def test_nothing_is_imported_and_what_is_imported_later_is_shown():
    code = """
import sys
from headway.capture import _process
_process.begin()
assert "tqdm" not in sys.modules
import tqdm
assert hasattr(tqdm.tqdm.update, "__wrapped__")
import tqdm.auto
"""
    subprocess.run([sys.executable, "-c", code], check=True)

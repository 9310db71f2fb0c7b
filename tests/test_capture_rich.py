"""The bars of rich.progress in a task are the task's by one call, also in its libraries."""

from __future__ import annotations

import io
from typing import Any

import pytest
from celery import Celery, current_task
from celery.exceptions import Ignore
from rich.console import Console
from rich.progress import Progress, track

from headway import progress
from headway.celery.run import runs
from headway.store.records import Records
from tests.bodies import log_of, pushes, read, run
from tests.processes import wait_for


def test_the_tracked_loop_is_the_tasks_bar(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            for _ in track(range(7), description="[red]Reading[/red]"):
                pass

    task_id = run(celery, body)

    end = read(records, task_id)
    assert (end.current, end.total, end.status) == (7, 7, "Reading")
    assert log_of(records, task_id) == []


def test_a_finished_task_gives_way_to_the_next_one(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture(), Progress() as bars:
            first = bars.add_task("First", total=2)
            second = bars.add_task("Second [odd", total=None)
            hidden = bars.add_task("Hidden", visible=False)
            bars.advance(first)
            bars.update(second, completed=5)
            bars.update(hidden, advance=50)
            progress.flush()
            bars.update(first, completed=2)
            bars.update(second, total=20)
            progress.flush()
            bars.reset(first, total=4)
            bars.remove_task(second)
            bars.advance(first, 3)

    with pushes(records) as seen:
        run(celery, body)
        said = [(each.current, each.total, each.status) for each in seen()]
        steps = [each.step["name"] for each in seen() if each.step]

    assert (1, 2, "First") in said
    assert (5, 20, "Second [odd") in said
    assert said[-1] == (3, 4, "First")
    assert "Hidden" not in steps


def test_of_nested_loops_the_outer_one_is_the_tasks(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture(), Progress(console=Console(file=io.StringIO())) as bars:
            for _ in bars.track(range(2), description="Epoch"):
                for _ in bars.track(range(3), description="Batch"):
                    progress.flush()

    with pushes(records) as seen:
        run(celery, body)
        said = [(each.total, each.status, each.step) for each in seen()]

    batch = {"index": None, "count": None, "name": "Batch"}
    nested = [step for total, status, step in said if step and (total, status) == (2, "Epoch")]
    assert {step["total"] for step in nested} == {3}
    assert all({**step, **batch} == step for step in nested)


def test_a_loop_that_is_left_early_keeps_its_height_and_the_next_is_the_tasks(
    celery: Celery, records: Records
):
    def body() -> None:
        with progress.capture(), Progress(console=Console(file=io.StringIO())) as bars:
            for item in bars.track(range(10), description="First"):
                if item == 4:
                    break
            progress.flush()
            for _ in bars.track(range(3), description="Second"):
                progress.flush()

    with pushes(records) as seen:
        end = read(records, run(celery, body))
        said = [(each.total, each.status) for each in seen()]

    assert (10, "First") in said
    assert (3, "Second") in said
    assert (end.current, end.total, end.status) == (3, 3, "Second")


def test_a_bar_of_before_and_a_disabled_one_are_not_shown(celery: Celery, records: Records):
    def body() -> None:
        outside = Progress()
        task = outside.add_task("Outside", total=5)
        with progress.capture():
            outside.advance(task)
            with Progress(disable=True) as bars:
                bars.advance(bars.add_task("Disabled", total=5))

    end = read(records, run(celery, body))

    assert (end.current, end.total, end.status) == (0, 1, "")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_its_drawing_is_not_logged_and_its_messages_are(
    celery: Celery, records: Records, is_terminal: bool
):
    def body() -> None:
        with progress.capture():
            console = Console(force_terminal=is_terminal)
            with Progress(console=console, refresh_per_second=100) as bars:
                task = bars.add_task("Reading", total=None)
                bars.advance(task)
                bars.console.print("a message")
                bars.refresh()

    assert log_of(records, run(celery, body)) == [("INFO", "a message")]


def wait_until_told() -> None:
    """Wait until the run knows that it has to end."""
    run: Any = runs.present()
    wait_for(lambda: run.sender.ask() or run._outcome)


def test_a_cancelled_run_ends_at_its_next_item(celery: Celery, records: Records):
    done: list[int] = []

    def body() -> None:
        with progress.capture():
            for item in track(range(100), console=Console(file=io.StringIO())):
                done.append(item)
                if item == 3:
                    records.cancel(current_task.request.id)
                    wait_until_told()

    with pytest.raises(Ignore):
        run(celery, body)

    assert done == [0, 1, 2, 3]

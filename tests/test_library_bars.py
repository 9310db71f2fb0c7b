"""The bars that libraries show while they work, as they really are: nested, closed early, in
threads, processes and coroutines.
"""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pandas
import pytest
import tqdm
import tqdm.asyncio
import tqdm.auto
import tqdm.rich
from celery import Celery
from rich.console import Console
from rich.progress import Progress, track
from tqdm.contrib import tenumerate, tmap, tzip
from tqdm.contrib.concurrent import process_map, thread_map

from headway import progress
from headway.store.records import Records
from tests.bodies import log_of, pushes, read, run
from tests.processes import wait_for

# Said by eventlet, where an earlier test has imported it; these forks use no greenlets.
pytestmark = pytest.mark.filterwarnings("ignore:Using fork\\(\\) is a bad idea")

FRAME = pandas.DataFrame({"price": range(50), "group": [row % 5 for row in range(50)]})


def twice(number: int) -> int:
    """Do something in another process, too."""
    return 2 * number


def flushed(value: Any) -> Any:
    """Have what is shown by now be pushed."""
    progress.flush()
    return value


def of_a_series() -> None:
    tqdm.tqdm.pandas(desc="Prices")
    assert FRAME["price"].progress_apply(twice).sum() == 2450


def of_a_frame() -> None:
    tqdm.tqdm.pandas(desc="Prices")
    FRAME.progress_apply(flushed, axis=1)


def of_groups() -> None:
    tqdm.tqdm.pandas(desc="Prices")
    FRAME.groupby("group")["price"].progress_apply(sum)


def of_one_column_after_another() -> None:
    tqdm.tqdm.pandas(desc="Prices")
    FRAME["group"].progress_map(str)
    progress.flush()
    FRAME["price"].progress_map(str)


def of_a_frame_that_raises() -> None:
    tqdm.tqdm.pandas(desc="Prices")
    with suppress(ZeroDivisionError):
        FRAME["group"].progress_apply(lambda group: 1 // (3 - group))
    FRAME["price"].progress_apply(twice)


async def item(number: int) -> int:
    await asyncio.sleep(0.001 * number)
    return number


def gathered() -> None:
    async def main() -> list[int]:
        return list(await tqdm.asyncio.tqdm.gather(*map(item, range(50)), desc="Prices"))

    assert asyncio.run(main()) == list(range(50))


def as_completed() -> None:
    async def main() -> None:
        for done in tqdm.asyncio.tqdm.as_completed(list(map(item, range(50))), desc="Prices"):
            await done

    asyncio.run(main())


def of_an_asynchronous_loop() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(50):
            yield number

    async def main() -> None:
        async for _ in tqdm.asyncio.tqdm(numbers(), total=50, desc="Prices"):
            await asyncio.sleep(0)

    asyncio.run(main())


class Patient(tqdm.auto.tqdm):
    """Ends when all is counted: a pool returns its last result before its callback counts that."""

    def close(self) -> None:
        wait_for(lambda: self.n == self.total)
        super().close()


def of_threads() -> None:
    options = {"desc": "Prices", "max_workers": 4, "tqdm_class": Patient}
    assert thread_map(twice, range(50), **options)[-1] == 98


def of_processes() -> None:
    options = {"desc": "Prices", "max_workers": 2, "chunksize": 1, "tqdm_class": Patient}
    assert process_map(twice, range(50), **options)[-1] == 98


def of_tqdms_own_iterators() -> None:
    for _ in tenumerate(range(9), desc="Prices"):
        pass
    for _ in tzip(range(8), range(8)):
        pass
    assert len(list(tmap(twice, range(50)))) == 50


def drawn_by_rich() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tqdm.TqdmExperimentalWarning)
        for number in tqdm.rich.tqdm(range(50), desc="Prices"):
            flushed(number)


def after_nested_ones_that_are_left() -> None:
    for batch in tqdm.tqdm(range(4), desc="Epoch"):
        for number in tqdm.tqdm(range(10), desc="Batch", leave=False):
            if flushed(number) == 5:
                break
        if batch == 2:
            break
    for _ in tqdm.tqdm(range(50), desc="Prices"):
        pass


def after_an_error_in_nested_ones() -> None:
    with suppress(KeyError):
        for _ in tqdm.tqdm(range(4), desc="Epoch"):
            with tqdm.tqdm(total=10, desc="Batch") as bar:
                bar.update(3)
                raise KeyError
    for _ in tqdm.tqdm(range(50), desc="Prices"):
        pass


def after_a_loop_of_rich_that_is_left() -> None:
    for number in track(range(10), "Reading", console=Console(file=io.StringIO())):
        if number == 4:
            break
    for _ in track(range(50), "Prices", console=Console(file=io.StringIO())):
        pass


def around_loops_of_rich_that_are_left() -> None:
    with Progress(console=Console(file=io.StringIO()), auto_refresh=False) as bars:
        for _ in bars.track(range(50), description="Prices"):
            for number in bars.track(range(4), description="Inner"):
                if flushed(number) == 2:
                    break
            progress.flush()


def around_loops_that_rich_counts_in_threads() -> None:
    with Progress(console=Console(file=io.StringIO())) as bars:
        for _ in bars.track(range(50), description="Prices"):
            for number in bars.track(range(4), description="Inner"):
                if number == 2:
                    break


def around_tasks_of_rich_that_are_removed() -> None:
    with Progress(console=Console(file=io.StringIO())) as bars:
        outer = bars.add_task("Prices", total=50)
        for _ in range(50):
            inner = bars.add_task("Inner", total=5)
            bars.advance(inner, 3)
            bars.remove_task(inner)
            bars.advance(outer)
            progress.flush()


BODIES: list[Callable[[], None]] = [
    of_a_series,
    of_a_frame,
    of_one_column_after_another,
    of_a_frame_that_raises,
    gathered,
    as_completed,
    of_an_asynchronous_loop,
    of_threads,
    of_processes,
    of_tqdms_own_iterators,
    drawn_by_rich,
    after_nested_ones_that_are_left,
    after_an_error_in_nested_ones,
    after_a_loop_of_rich_that_is_left,
    around_loops_of_rich_that_are_left,
    around_loops_that_rich_counts_in_threads,
    around_tasks_of_rich_that_are_removed,
]


def seen_of(
    celery: Celery, records: Records, body: Callable[[], None]
) -> tuple[str, list[tuple[Any, ...]]]:
    """Run a body with its output captured; return its id, and what was pushed of its bars."""

    def captured() -> None:
        with progress.capture():
            body()

    with pushes(records) as seen:
        task_id = run(celery, captured)
        return task_id, [
            (each.current, each.total, each.status, (each.step or {}).get("name"))
            for each in seen()
        ]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_a_bar_ends_with_its_own_numbers(
    celery: Celery, records: Records, body: Callable[[], None]
):
    task_id, _ = seen_of(celery, records, body)

    end = read(records, task_id)
    assert (end.current, end.total, end.status, end.step) == (50, 50, "Prices", None)
    assert log_of(records, task_id) == []


def test_pandas_counts_its_groups(celery: Celery, records: Records):
    task_id, _ = seen_of(celery, records, of_groups)

    assert (read(records, task_id).current, read(records, task_id).total) == (5, 5)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (of_a_frame, {(20, 50, "Prices", None), (49, 50, "Prices", None)}),
        (of_one_column_after_another, {(50, 50, "Prices", None)}),
        (drawn_by_rich, {(20, 50, "Prices", None)}),
        (after_nested_ones_that_are_left, {(1, 4, "Epoch", "Batch"), (2, 4, "Epoch", "Batch")}),
        (around_loops_of_rich_that_are_left, {(20, 50, "Prices", "Inner")}),
        (around_tasks_of_rich_that_are_removed, {(20, 50, "Prices", None)}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_shown_on_the_way(
    celery: Celery,
    records: Records,
    body: Callable[[], None],
    shown: set[tuple[Any, ...]],
):
    _, seen = seen_of(celery, records, body)

    assert shown <= set(seen)
    assert {status for _, _, status, _ in seen} <= {"", "Prices", "Epoch"}
    assert {step for _, _, status, step in seen if status == "Prices"} <= {None, "Inner"}

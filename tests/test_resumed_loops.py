"""A loop that goes on where the run before it was: sequences, iterators, queries after a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from headway import progress
from headway.store.records import Records
from tests.bodies import read
from tests.documents import module_of
from tests.test_checkpoints import Killed, Runs, runs

__all__ = ["runs"]

ROWS = [{"id": id, "name": name} for id, name in enumerate("abcdefgh", start=1)]


def after(key: int | None) -> Iterable[dict[str, Any]]:
    """Return rows as a query with `WHERE id > key ORDER BY id` does."""
    return (row for row in ROWS if key is None or row["id"] > key)


class Reread(list[int]):
    """A sequence of which each item is noted as it is read."""

    def __init__(self, items: Iterable[int]) -> None:
        super().__init__(items)
        self.read: list[int] = []

    def __getitem__(self, index: Any) -> Any:
        self.read.append(index)
        return super().__getitem__(index)


LOOPS: dict[str, Callable[[], Iterable[Any]]] = {
    "sequence": lambda: progress.track(range(1, 9), resume=True),
    "iterator": lambda: progress.track(iter(range(1, 9)), resume=True, total=8),
    "keys": lambda: (
        row["id"] for row in progress.track(after, total=8, resume_from=lambda row: row["id"])
    ),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_what_is_done_is_skipped_and_counted(
    runs: Runs, records: Records, loop: Callable[[], Iterable[int]]
):
    done: list[int] = []
    began: list[float] = []

    def body() -> None:
        for item in loop():
            progress.flush()
            began.append(read(records, runs.task_id).current)
            if item == 4 and 4 not in done:
                done.append(item)
                raise Killed
            done.append(item)

    runs(body)
    runs(body)
    runs(body)

    assert done == [1, 2, 3, 4, 4, 5, 6, 7, 8]
    assert began == [0, 1, 2, 3, 3, 4, 5, 6, 7]


def test_items_of_a_sequence_that_are_done_are_not_even_read(runs: Runs):
    items = Reread(range(5))

    def body() -> None:
        for item in progress.track(items, resume=True):
            if item == 3 and items.read.count(3) == 1:
                raise Killed

    runs(body)
    runs(body)

    assert items.read == [0, 1, 2, 3, 3, 4]


def test_a_value_that_an_item_saves_is_stored_with_the_item(runs: Runs):
    sums: list[int] = []

    def body() -> None:
        total = progress.saved or 0
        for item in progress.track(range(5), resume=True):
            total += item
            progress.save(total)
            if item == 3 and not sums:
                sums.append(total)
                raise Killed
        sums.append(total)

    runs(body)
    runs(body)

    assert sums == [0 + 1 + 2 + 3, 0 + 1 + 2 + 3 + 4]


def test_loops_in_turn_and_within_each_other_go_on_each_where_it_was(runs: Runs, records: Records):
    done: list[Any] = []
    killed_at = [("file", 1, 2), ("file", 1, 0), ("second", 1)]

    def reach(*place: Any) -> None:
        if place in killed_at:
            killed_at.remove(place)
            raise Killed
        done.append(place)

    def body() -> None:
        for item in progress.track(range(2), "Reading", resume=True):
            reach("first", item)
        for file in progress.track(range(3), "Files", resume=True):
            for row in progress.track(range(3), "Reading", resume=True):
                reach("file", file, row)
        for item in progress.track(range(2), "Reading", resume=True):
            reach("second", item)

    for _ in range(4):
        runs(body)

    kept = json.loads(records.client.hget(f"headway:task:{runs.task_id}", "saved"))["loops"]
    assert kept == {"Reading#0": [2, None], "Files#0": [3, None], "Reading#1": [2, None]}
    assert done == [
        *(("first", item) for item in range(2)),
        *(("file", file, row) for file in range(3) for row in range(3)),
        *(("second", item) for item in range(2)),
    ]


def test_the_readmes_import_counts_each_order_once(runs: Runs):
    orders = [{"amount": amount} for amount in (1, 2, 4, 8, 16)]
    totals: list[int] = []

    class Dying(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            if index == 3 and not totals:
                totals.append(0)
                raise Killed
            return super().__getitem__(index)

    def body() -> None:
        totals.append(example.importer.run(Dying(orders)))

    with module_of("README.md", "importer.py") as example:
        runs(body)
        runs(body)

    assert totals == [0, 31]


def test_what_cannot_go_on_is_refused(runs: Runs):
    def body() -> None:
        with pytest.raises(TypeError, match="A set has no order"):
            list(progress.track({1, 2}, resume=True))
        with pytest.raises(TypeError, match="resume_from returns has to be JSON"):
            list(progress.track(after, resume_from=lambda row: object()))
        for _ in range(100 - 2):
            list(progress.track([1], "many", resume=True))
        with pytest.raises(ValueError, match="100 resumable loops"):
            list(progress.track([1], "many", resume=True))

    runs(body)

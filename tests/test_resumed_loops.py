"""A loop that goes on where the run before it was: sequences, iterators, queries after a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from headway import progress
from headway.store.records import Records
from tests.bodies import log_of, read
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
    "keys of a dict": lambda: progress.track(dict.fromkeys(range(1, 9)).keys(), resume=True),
    "items of a dict": lambda: (
        key for key, _ in progress.track(dict.fromkeys(range(1, 9)).items(), resume=True)
    ),
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


def test_a_run_that_saves_before_its_loop_keeps_where_that_was(runs: Runs):
    done: list[int] = []
    ends = [3, None]  # after which item, or before the loop, a run is killed

    def body() -> None:
        progress.save("prepared")
        if ends and ends[0] is None:
            ends.pop()
            raise Killed
        for item in progress.track(range(5), resume=True):
            if item in ends:
                ends.remove(item)
                raise Killed
            done.append(item)

    for _ in range(3):
        runs(body)

    assert (ends, done) == ([], [0, 1, 2, 3, 4])


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


def test_a_loop_under_another_label_is_said_in_both_logs(
    runs: Runs, records: Records, caplog: pytest.LogCaptureFixture
):
    labels = ["Importing 28 November", "Importing 29 November"]
    done: list[int] = []

    def body() -> None:
        for item in progress.track(range(5), labels.pop(0), resume=True):
            if item == 3 and labels:
                raise Killed
            done.append(item)

    runs(body)
    assert log_of(records, runs.task_id) == []
    runs(body)

    assert done == [0, 1, 2, 0, 1, 2, 3, 4]
    [(level, said)] = log_of(records, runs.task_id)
    assert level == "WARNING"
    assert '"Importing 28 November", which an earlier run saved at item 3,' in said
    assert '"Importing 29 November" was, and began at its first item' in said
    assert "give it a fixed label" in said
    [record] = [each for each in caplog.records if said in each.getMessage()]
    assert record.levelname == "WARNING"
    assert runs.task_id in record.getMessage()


def test_a_loop_within_an_item_under_another_label_is_said_too(runs: Runs, records: Records):
    rows = ["Rows of Monday", "Rows of Tuesday", "Rows of Wednesday"]

    def body() -> None:
        for _ in progress.track(range(2), "Files", resume=True):
            for row in progress.track(range(2), rows.pop(0), resume=True):
                if row == 1 and len(rows) == 2:
                    raise Killed

    runs(body)
    runs(body)

    [(_, said)] = log_of(records, runs.task_id)
    assert '"Rows of Monday"' in said
    assert '"Rows of Tuesday"' in said


@pytest.mark.parametrize("kills", range(6))
def test_loops_that_go_on_are_no_warning(runs: Runs, records: Records, kills: int):
    def body() -> None:
        for place in ("first", "second"):
            for item in progress.track(range(2), place.title(), resume=True):
                for row in progress.track(range(2), "Rows", resume=True):
                    left.append((place, item, row))
                    if len(left) in ends:
                        raise Killed
        list(progress.track(range(2), "Last", resume=True))

    left: list[Any] = []
    ends = {kills, kills + 2}
    for _ in range(3):
        runs(body)

    assert log_of(records, runs.task_id) == []


def test_a_run_that_did_not_come_as_far_is_no_warning(runs: Runs, records: Records):
    runs_left = [3, 2, 1]

    def body() -> None:
        run = runs_left.pop(0)
        if run == 2:
            raise Killed
        if run == 1:
            list(progress.track(range(2), "A new loop", resume=True))
        for _ in progress.track(range(2), "Files", resume=True):
            if run == 1:
                raise Killed
            for row in progress.track(range(2), "Rows", resume=True):
                if row == 1:
                    raise Killed

    for _ in range(3):
        runs(body)

    assert log_of(records, runs.task_id) == []


def test_a_loop_that_did_nothing_yet_is_missed_by_nobody(runs: Runs, records: Records):
    labels = ["one", "two"]

    def body() -> None:
        for _ in progress.track(range(5), labels.pop(0), resume=True):
            break
        progress.save("begun")
        if labels:
            raise Killed

    runs(body)
    runs(body)

    assert log_of(records, runs.task_id) == []


def test_what_cannot_go_on_is_refused(runs: Runs):
    def body() -> None:
        with pytest.raises(TypeError, match="A set has no order"):
            list(progress.track({1, 2}, resume=True))
        with pytest.raises(TypeError, match="needs resume_from="):
            list(progress.track(after, resume=True))
        with pytest.raises(TypeError, match="resume_from returns has to be JSON"):
            list(progress.track(after, resume_from=lambda row: object()))
        for _ in range(100 - 2):
            list(progress.track([1], "many", resume=True))
        with pytest.raises(ValueError, match="100 resumable loops"):
            list(progress.track([1], "many", resume=True))

    runs(body)

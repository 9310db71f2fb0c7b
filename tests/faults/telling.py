"""A story that is told while things break, and what became of it: its rows, its answer, its
charge, and its text as each reader has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from tests.faults.load import Start
from tests.faults.pages import TaskPage
from tests.faults.readers import HttpReader, Reader, SocketReader, reading
from tests.faults.report import Row
from tests.faults.stories import RECEIPT, STREAM, Line
from tests.faults.strikes import BACK_SECONDS, STRIKES, Target
from tests.faults.trial import Trial
from tests.processes import wait_for

SAME_SECONDS = 20.0
END_SECONDS = 120.0
ANSWER = "yes"
OTHER_ANSWER = "no"
NUMBERS = count(1)
MOMENT_SECONDS = 5.0

# Whether the moment for a strike has come: given the diary's lines, and how many they were when
# Valkey froze.
Moment = Callable[[list[Line], int], bool]


class Story:
    """A story of a trial's first visitor, with its diary and its readers."""

    def __init__(self, one: Trial, *, in_a_page: bool = False, **args: Any) -> None:
        self.start = Start("story", {"label": f"t{next(NUMBERS)}", **args})
        self.rows = int(args["rows"])
        self.task_id = one.start(self.start)
        self.diary = one.system.diary(self.task_id)
        self.has_answered = False
        self._one = one
        self._visitor = one.visitors[0]
        self._saves: list[tuple[int, int]] = []  # how many lines the diary had, and what was saved
        page = TaskPage(one.system.browser, self._visitor, self.task_id) if in_a_page else None
        others: list[Reader] = [page] if page else []
        make = SocketReader, HttpReader
        self.readers = [*(one(self._visitor, self.task_id) for one in make), *others]
        self.target = Target(one.system, self.task_id, page)

    def until_row(self, rows: int) -> None:
        """Wait until so many rows have been done."""
        wait_for(
            lambda: self.diary.reached >= min(rows, self.rows),
            BACK_SECONDS,
            f"{self.task_id} does not get on",
        )

    def strike(self, what: str, which: int = 0, moment: Moment | None = None) -> None:
        """Break something; what is saved by now must not be done again.

        With a `moment`, Valkey is frozen until that has come and the strike was done.
        """
        held = self._one.held()
        self._saves.append((len(self.diary.read()), self._saved()))
        if moment is None:
            STRIKES[what](self.target, which)
        else:
            self._strike_frozen(what, which, moment)
        moves_on = what in ("kill the pool process", "kill the worker", "stop the worker")
        self._one.ended(held if moves_on else None)

    def _strike_frozen(self, what: str, which: int, moment: Moment) -> None:
        valkey = self._one.system.valkey
        valkey.freeze()
        before = len(self.diary.read())
        try:
            wait_for(lambda: moment(self.diary.read(), before), MOMENT_SECONDS, "it did not come")
            STRIKES[what](self.target, which)
        finally:
            valkey.thaw()

    def until_asked(self) -> str:
        """Wait for the question, and return its id."""
        asked = self._one.until("waiting", self.task_id, seconds=BACK_SECONDS)["question"]
        return str(asked["id"])

    def answer(self, question_id: str, value: str = ANSWER) -> int:
        """Answer until that is accepted or refused; return the status."""

        def settled() -> int | None:
            status = self._visitor.answer(self.task_id, question_id, value)
            return status if status in (202, 409) else None

        self.has_answered = True
        return wait_for(settled, BACK_SECONDS, f"{self.task_id} takes no answer")

    def judge(self, row: Row) -> None:
        """Say what is wrong with what the runs did, and with what the readers have."""
        self._judge_rows(row)
        self._judge_effects(row)
        wanted = self.diary.text()
        kept = self._one.system.records.queries.read_streams(self.task_id, {})[STREAM]["text"]
        if kept != wanted:
            row.object_to(f"the record of {self.task_id} has {differing(kept, wanted)}")
        for reader in self.readers:
            try:
                wait_for(lambda reader=reader: reader.text() == wanted, SAME_SECONDS)
            except AssertionError:
                has = differing(reader.text(), wanted)
                row.object_to(f"the {type(reader).__name__} of {self.task_id} has {has}")

    def _saved(self) -> int:
        kept = self._one.system.records.client.hget(f"headway:task:{self.task_id}", "saved")
        return int(json.loads(kept)["value"]) if kept else 0

    def _judge_rows(self, row: Row) -> None:
        runs = self.diary.runs()
        done = {each for rows in runs.values() for each in rows}
        if done != set(range(len(done))):
            row.lose(f"{self.task_id} left out some of its {len(done)} rows")
        for run, rows in runs.items():
            if rows != list(range(rows[0], rows[0] + len(rows))):
                row.object_to(f"run {run} of {self.task_id} did its rows in another order")
        for lines, saved in self._saves:
            before = {line.run for line in self.diary.read()[:lines]}
            for run, rows in runs.items():
                if run not in before and rows[0] < saved:
                    row.double(f"run {run} began at {rows[0]}, when {saved} rows were saved")

    def _judge_effects(self, row: Row) -> None:
        if not self.has_answered:
            return
        kept = self._one.system.records.client.hget(f"headway:task:{self.task_id}", "answers")
        answers = [json.loads(answer)["value"] for answer in json.loads(kept or "{}").values()]
        used = set(self.diary.values("answer"))
        if len(answers) != 1 or used != set(answers):
            row.object_to(f"{self.task_id} was answered {answers}, and used {used}")
        charges = len(self.diary.values("charge"))
        if charges != 1:
            row.double(f"{self.task_id} had its side effect {charges} times")
        receipts = set(self.diary.values("receipt"))
        if receipts != {RECEIPT}:
            row.object_to(f"{self.task_id} got {receipts} from its side effect")


def differing(has: str, wanted: str) -> str:
    """Say where a text differs from what it must be."""
    pairs = enumerate(zip(has, wanted, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(has), len(wanted)))
    return (
        f"{len(has)} characters of {len(wanted)}, "
        f"{has[at : at + 30]!r} for {wanted[at : at + 30]!r} at {at}"
    )


@contextmanager
def telling(one: Trial, **args: Any) -> Iterator[Story]:
    """Give a story that is being told, and judge it at its end."""
    story = Story(one, **args)
    with reading(story.readers):
        yield story
        [end] = story.start.expected
        one.until(end, story.task_id, seconds=END_SECONDS)
        story.judge(one.row)
        if end == "succeeded" and story.diary.reached != story.rows:
            one.row.lose(f"{story.task_id} did {story.diary.reached} of {story.rows} rows")

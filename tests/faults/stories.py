"""Work that goes on where it was saved, and the diary in which its runs say what they did."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from headway import progress, task
from tests.faults.kinds import JOURNAL, note

STREAM = "story"
CHARGE_SECONDS = 0.2  # so that it can be hit
RECEIPT = "paid"


def word(row: int, run: str) -> str:
    """Return what a run writes of a row; another run writes another word."""
    return f"{row:x}·{run} "


def is_whole(text: str, rows: int) -> bool:
    """Whether a text has one word of each row, in their order, and nothing else."""
    return [each.partition("·")[0] for each in text.split()] == [f"{row:x}" for row in range(rows)]


@task("Story {label}", bind=True)
def story(
    self: Any,
    label: str,
    rows: int = 20_000,
    every: int = 100,
    seconds: float = 0.002,
    asks: bool = True,
) -> str:
    """Stream a word for each row, save now and then, and ask and charge once, half way."""
    note(self, "begin")
    diary = Pen(self.request.id)
    out = progress.stream(STREAM)
    for row in range(progress.saved or 0, rows):
        if asks and row == rows // 2:
            diary.note("answer", progress.ask("Go on?", choices=["yes", "no"]))
            diary.note("receipt", progress.once("charge", diary.charge, in_doubt=diary.charged))
        out.write(word(row, diary.run))
        diary.note("row", row)
        time.sleep(seconds)
        if (row + 1) % every == 0:
            diary.note("save", row + 1)
            progress.set(current=row + 1, total=rows)
            progress.save(row + 1)
    note(self, "end")
    return label


@task("Count {label}", bind=True)
def count_rows(self: Any, label: str, rows: int, seconds: float = 0.01) -> str:
    """Do each row, and let the loop save as it likes."""
    note(self, "begin")
    diary = Pen(self.request.id)
    for row in progress.track(range(rows), "Counting", resume=True):
        time.sleep(seconds)
        diary.note("row", row)
    note(self, "end")
    return label


class Line(NamedTuple):
    """What a run did: "row", "save" (it is about to), "answer", "charge" or "receipt"; and when,
    by the machine's monotonic clock.
    """

    run: str
    event: str
    value: Any
    at: float = 0.0


def path_of(journal: str | Path, task_id: str) -> Path:
    return Path(f"{journal}-{task_id}")


class Pen:
    """What a run writes its task's diary with: each line is there when its process is killed."""

    def __init__(self, task_id: str) -> None:
        self.run = uuid4().hex[:4]
        self._path = path_of(os.environ[JOURNAL], task_id)
        self._file = self._path.open("ab", buffering=0)

    def note(self, event: str, value: Any) -> None:
        self._file.write(json.dumps([self.run, event, value, time.monotonic()]).encode() + b"\n")

    def charge(self) -> str:
        """Have the side effect that the task may have only once."""
        self.note("charge", "")
        time.sleep(CHARGE_SECONDS)
        return RECEIPT

    def charged(self) -> str:
        """Look up whether it took place, else have it now."""
        is_there = any(line.event == "charge" for line in Diary(self._path).read())
        return RECEIPT if is_there else self.charge()


class Diary:
    """Reads what the runs of one task have done so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines: list[Line] = []
        self._reached = 0

    def read(self) -> list[Line]:
        """Return all lines, in the order in which they were written."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._offset += len(whole) + len(newline)
            lines = [Line(*json.loads(line)) for line in whole.splitlines()]
            self._lines += lines
            done = [line.value + 1 for line in lines if line.event == "row"]
            self._reached = max([self._reached, *done])
        return self._lines

    def rows(self) -> list[tuple[int, str]]:
        """Return the rows, each with the run that did it, in that order."""
        return [(line.value, line.run) for line in self.read() if line.event == "row"]

    def values(self, event: str) -> list[Any]:
        return [line.value for line in self.read() if line.event == event]

    @property
    def reached(self) -> int:
        """How many rows have been done, each counted once."""
        self.read()
        return self._reached

    def runs(self) -> dict[str, list[int]]:
        """Return the rows of each run that did any."""
        found: dict[str, list[int]] = {}
        for row, run in self.rows():
            found.setdefault(run, []).append(row)
        return found

    def text(self) -> str:
        """Return what the task has written: a run cuts off what follows the save it goes on at."""
        words: list[str] = []
        for row, run in self.rows():
            words[row:] = [word(row, run)]
        return "".join(words)

    def repeated(self) -> int:
        """How many rows were done again."""
        rows = self.rows()
        return len(rows) - len(dict(rows))

"""The checkpoint of a run: the value that the task has saved, and the places of its loops.

It is stored together with a report, so what is shown and what is saved agree.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

from headway.celery.run.loops import Loop, Loops
from headway.celery.run.runs import Run
from headway.celery.run.saved import NONE, Saved, StreamEnds, found_in, numbered
from headway.celery.run.streams import OVERFLOW_FILE, open_stream
from headway.celery.storing.fencing import delivery_of
from headway.json_values import ENCODER, encoded
from headway.store.model import Outcome, Save

MAX_VALUE_BYTES = 64 * 1024
MAX_ANSWERS = 1000


class Checkpoint:
    """What one run saves, and what earlier runs of its task have saved."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._is_read = False
        self._value = ""  # as JSON, "" for none
        self._newest = ""  # the same, also while its loop's item is not done
        self._loops = Loops({})
        self._ends = StreamEnds({}, {}, {}, {})  # of the streams at the last save, until they go on
        self._answers: dict[str, str] = {}  # key of a question -> its answer, see questions.lua
        self._asked: Counter[str] = Counter()  # questions without a key of their own, by their text
        self._asked_by_save: dict[str, int] = {}
        self._found = ""  # how far earlier runs were, as JSON
        self._by = ""  # token of the run that saved something new last, as JSON
        self._own_token = ENCODER.encode(delivery_of(run.request).token)
        self._changes = 0  # by all runs of the task
        self._stored = 0  # how many of the changes the record has

    @property
    def value(self) -> Any:
        """The value that the task saved last, None before it has saved any. Raises Stopped."""
        self._go_on()
        return json.loads(self._newest or NONE)

    def save(self, value: Any, loop: Loop | None) -> None:
        """Save a value; within a resumable loop it counts from when its item is done.

        Raises TypeError or ValueError for a value that cannot be saved; Stopped.
        """
        text = encoded(value, MAX_VALUE_BYTES, "What progress.save stores")
        self._go_on()
        with self._lock:
            self._newest = text
            if loop is not None:
                loop.value = text
            else:
                self._value = text
                self._count_change()

    def loop(self, name: str, around: Loop | None) -> Loop:
        """Begin a resumable loop. Raises ValueError for too many of them; Stopped."""
        self._go_on()
        with self._lock:
            return self._loops.begin(name, around)

    def advance(self, loop: Loop, cursor: str) -> bool:
        """Count an item of a loop as done; return whether it has saved a value."""
        with self._lock:
            self._loops.advance(loop, cursor)
            has_saved = loop.value != ""
            if has_saved:
                self._value = loop.value
                loop.value = ""
            self._count_change()
            return has_saved

    @property
    def renamed(self) -> str:
        """A warning of loops that may have another label than an earlier run's; "" for none."""
        with self._lock:
            return self._loops.renamed

    def key_of(self, text: str) -> str:
        """Return the key of the next question with this text: a run that goes on asks it so too.

        Raises Stopped.
        """
        self._go_on()
        with self._lock:
            self._asked[text] += 1
            return f"{text}#{self._asked[text]}"

    def answer(self, key: str) -> dict[str, Any] | None:
        """Return the answer to the question with this key, as questions.lua says; None for none.

        Raises Stopped; ValueError for a task that has asked too often.
        """
        self._go_on()
        if key not in self._answers and len(self._answers) >= MAX_ANSWERS:
            raise ValueError(f"A task may ask {MAX_ANSWERS} questions.")
        found: dict[str, Any] | None = json.loads(self._answers.get(key, NONE))
        return found

    @property
    def has_news(self) -> bool:
        """Whether the record does not have all of it."""
        return self._changes != self._stored

    def end_of(self, stream: str) -> tuple[str, str]:
        """Return the end of a text at the last save, as MaskedStream has it. Raises Stopped."""
        self._read()
        return self._ends.held_back.pop(stream, ""), self._ends.marks.pop(stream, "")

    def overflow(self, stream: str) -> int | None:
        """Return the bytes of a stream's file at the last save; None without. Raises Stopped."""
        self._read()
        return self._ends.overflows.pop(stream, None)

    def pending(self, ends: StreamEnds) -> Save:
        """Return it, with how its streams are; `confirm` its number once it is stored."""
        with self._lock:
            saved = Saved(self._value, self._loops.places, self._asked_by_save, ends)
            own_part = saved.own_part()
            if own_part != self._found:
                self._by = self._own_token
            written = ""
            if ends.sent:
                written = "".join(f"{name} {bytes_};" for name, bytes_ in ends.sent.items())
            text = numbered(own_part + saved.rest(), self._changes, self._by)
            return Save(text, self._changes, written)

    def confirm(self, number: int) -> None:
        """Note that the record has what `pending` returned with this number."""
        self._stored = number

    def _count_change(self) -> None:
        self._changes += 1
        self._asked_by_save = dict(self._asked)

    def _go_on(self) -> None:
        """Read what earlier runs saved, and have the ends of their texts sent."""
        if not self._is_read:
            self._read()
        if self._ends.overflows or self._ends.held_back:
            _open_streams(self._run, self._ends)

    def _read(self) -> None:
        """Read what earlier runs saved, once."""
        with self._lock:
            if self._is_read:
                return
            outcome, text, answers = self._run.task.backend.runs.read_saved(self._run.request)
            if outcome != Outcome.READ:
                self._run.stop(outcome)
                self._run.check()
            saved, number, by = found_in(text)
            self._changes = self._stored = number
            self._by = ENCODER.encode(by)
            self._found = saved.own_part()
            self._value = self._newest = saved.value
            self._loops = Loops(saved.loops)
            self._ends = saved.ends
            self._asked = Counter(saved.asked)
            self._asked_by_save = dict(saved.asked)
            self._answers = json.loads(answers)
            self._is_read = True


def _open_streams(run: Run, ends: StreamEnds) -> None:
    """Open the streams that take up a file, or the end of a text, of an earlier run."""
    for stream in tuple(ends.overflows):
        open_stream(run, stream, overflow=OVERFLOW_FILE)
    for stream in tuple(ends.held_back):
        open_stream(run, stream)

"""What the task page shows of a log: lines of a level, with certain words, by attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import request

from headway.display.languages import say
from headway.display.words import PENDING
from headway.shapes import HistoryEvent
from headway.snapshot import Phase, error_line
from headway.store.model import LogLine
from headway.web.requests.errors import APIError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_CHARS = 200
BAD_LEVEL = APIError(400, "bad_level", f"The level is one of {', '.join(LEVELS)}.")
BAD_FIND = APIError(400, "bad_find", f"A search has at most {MAX_CHARS} characters.")


@dataclass(frozen=True)
class LogQuery:
    """What the address asks for: the least level ("" any), and a text that a line has."""

    level: str
    find: str

    @classmethod
    def read(cls) -> LogQuery:
        """Return the query of the present request. Raises APIError."""
        level = request.args.get("level", "").upper()
        find = request.args.get("find", "").strip()
        if level and level not in LEVELS:
            raise BAD_LEVEL
        if len(find) > MAX_CHARS:
            raise BAD_FIND
        return cls(level, find)

    def matches(self, line: LogLine) -> bool:
        """Whether a line is to be shown; a level of a task's own counts as INFO."""
        own = line["level"] if line["level"] in LEVELS else "INFO"
        is_grave = not self.level or LEVELS.index(own) >= LEVELS.index(self.level)
        return is_grave and self.find.lower() in line["text"].lower()

    @property
    def address(self) -> dict[str, str]:
        """The query's own parameters, without those that ask for nothing."""
        both = {"level": self.level, "find": self.find}
        return {name: value for name, value in both.items() if value}


@dataclass(frozen=True)
class Attempt:
    """The lines of one attempt; `begins` says why it follows another, "" for the first."""

    begins: str
    lines: list[LogLine]


def by_attempt(lines: Sequence[LogLine], history: Sequence[HistoryEvent]) -> list[Attempt]:
    """Return lines under the attempts that wrote them: also the last ones of a killed attempt."""
    parts = [Attempt("", [])]
    starts = list(_starts(history))
    for line in lines:
        while starts and starts[0][0] <= line["at"]:
            parts.append(Attempt(starts.pop(0)[1], []))
        parts[-1].lines.append(line)
    return [part for part in parts if part.lines]


def _starts(history: Sequence[HistoryEvent]) -> Iterator[tuple[str, str]]:
    """Yield when each attempt but the first started, and the words for it."""
    why = ""
    for event in history:
        if event["phase"] == Phase.RUNNING and event["attempt"] > 1:
            numbers = {"last": event["attempt"] - 1, "attempt": event["attempt"]}
            words = say("Attempt {last} ended. Attempt {attempt}:", **numbers)
            if why:
                words = say("Attempt {last} ended: {why}. Attempt {attempt}:", why=why, **numbers)
            yield event["at"], words
        if event["error"]:
            why = error_line(event["error"])
        elif event["phase"] == Phase.WAITING:
            why = say("Asked a person")
        elif event["status"] != PENDING:  # that says nothing of the attempt before
            why = say(event["status"])

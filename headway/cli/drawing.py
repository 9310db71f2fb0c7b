"""Draws a task in a terminal, as a line of text or as a bar that is redrawn in place."""

from __future__ import annotations

import math
import os
from typing import Any, TextIO, cast

from headway.display import words
from headway.display.labels import Labels, labels_of
from headway.shapes import SnapshotDict
from headway.snapshot import STATE, Phase, Snapshot, error_line, fragment, visible_line

BAR_CELLS = 24  # less in a narrow terminal
MIN_BAR_CELLS = 8
PERCENT_CELLS = 8  # of a bar's frame and its percent
EIGHTHS = " ▏▎▍▌▋▊▉"
MAX_RESULT_CHARS = 200
MAX_TITLE_CELLS = 40
# Without wrapping a terminal cuts a long line; wrapped, the next line would be drawn below.
CLEAR = "\r\x1b[K"
NO_WRAP = "\x1b[?7l"
WRAP = "\x1b[?7h"


def fraction(snapshot: Snapshot) -> float | None:
    """Return how much is done, from 0 to 1; None if unknown."""
    if snapshot.phase is Phase.SUCCEEDED:
        return 1.0
    has_said_nothing = snapshot.current == 0 and snapshot.total == 1
    if STATE[snapshot.phase] == "PENDING" or not snapshot.total or has_said_nothing:
        return None
    return snapshot.current / snapshot.total


def percent(snapshot: Snapshot) -> str:
    """Return how much is done, as "37 %"; "" if unknown, and never 100 before the end."""
    done = fraction(snapshot)
    if done is None:
        return ""
    whole = math.floor(round(done * 100, 6))  # 0.29 * 100 is a little less than 29
    return f"{whole if snapshot.phase is Phase.SUCCEEDED else min(99, whole)} %"


def details(snapshot: Snapshot) -> str:
    """Return what a snapshot says beyond its phase and bar, in one line."""
    parts = words.parts(cast(SnapshotDict, vars(snapshot)))
    return visible_line(" · ".join(filter(None, (parts, _said(snapshot)))))


def _said(snapshot: Snapshot) -> str:
    labels = labels_of(snapshot.name)
    if snapshot.phase is Phase.SUCCEEDED:
        named = labels.get("succeeded")
        return ": ".join(filter(None, (named, _result(snapshot.result))))
    if snapshot.phase is Phase.FAILED:
        return _error(snapshot, labels)
    if snapshot.phase is Phase.SCHEDULED:
        return words.starts_at(snapshot.scheduled_for or "", labels)
    if snapshot.phase is Phase.RETRYING:
        next_one = words.headline(cast(SnapshotDict, vars(snapshot)), labels)
        return f"{next_one} at {snapshot.scheduled_for}: {_error(snapshot, labels)}"
    if snapshot.question is not None:
        return snapshot.question["text"]
    if snapshot.phase is Phase.QUEUED and snapshot.queue_position:
        return f"{snapshot.status} {snapshot.queue_position} ahead"
    return snapshot.status


def _error(snapshot: Snapshot, labels: Labels) -> str:
    """Return an error's type, and its label, else its own message."""
    if not snapshot.error:
        return ""
    kind = snapshot.error["type"]
    message = labels.get("errors", {}).get(kind, snapshot.error["message"])
    return error_line({"type": kind, "message": message})


def _result(result: Any) -> str:
    text = result if isinstance(result, str) else fragment(result)
    return text if len(text) <= MAX_RESULT_CHARS else text[: MAX_RESULT_CHARS - 1] + "…"


def log_line(snapshot: Snapshot) -> str:
    """Return a log line: phase, percent and details."""
    return f"{snapshot.phase:<10}  {percent(snapshot):>5}  {details(snapshot)}".rstrip()


def list_line(snapshot: Snapshot) -> str:
    """Return the line of a task in a list."""
    return (
        f"{snapshot.task_id}  {snapshot.created_at}  {snapshot.phase:<10}  {percent(snapshot):>5}  "
        + visible_line(snapshot.title)
    )


def bar(done: float | None, cells: int = BAR_CELLS) -> str:
    """Return a bar of so many characters."""
    eighths = int((done or 0.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(cells)


def bar_line(snapshot: Snapshot, columns: int) -> str:
    """Return the line that a terminal shows while a task goes on: title, phase, bar, details.

    Of a narrow terminal's `columns` the title and the bar take less, so that the percent is seen.
    """
    title = visible_line(snapshot.title)
    rest = columns - len(f"?   {snapshot.phase}    ") - PERCENT_CELLS  # for title and bar
    most = max(1, min(MAX_TITLE_CELLS, rest - MIN_BAR_CELLS))
    title = title if len(title) <= most else title[: most - 1] + "…"
    head = f"{words.SIGNS[snapshot.phase]} {title}  {snapshot.phase}"
    if snapshot.phase in (Phase.RUNNING, Phase.CANCELLING):
        cells = max(MIN_BAR_CELLS, min(BAR_CELLS, rest - len(title)))
        head += f"  ▕{bar(fraction(snapshot), cells)}▏ {percent(snapshot):>4}"
    return f"{head}  {details(snapshot)}".rstrip()


def is_terminal(stream: TextIO) -> bool:
    """Whether a line can be redrawn on this stream."""
    return stream.isatty() and os.environ.get("TERM", "") != "dumb"

"""The words of the buttons by which a person changes a task, as words.js has them."""

from __future__ import annotations

from headway.display.labels import Labels
from headway.display.languages import current, words_of
from headway.display.parts import phase_of
from headway.shapes import SnapshotDict
from headway.snapshot import Phase


def cancel_all(task: SnapshotDict) -> str:
    """Return the words of the button that cancels a task and its open parts."""
    counts = task.get("parts")
    count = counts["count"] - counts["ended"] if counts else 0
    return _counted("cancel_all", count)


def retry_parts(task: SnapshotDict) -> str:
    """Return the words of the button that runs a task's failed parts again."""
    counts = task.get("parts")
    return _counted("retry_parts", counts["failed"] if counts else 0)


def _counted(action: str, count: int) -> str:
    return current().counted(words_of("actions")[action], count)


def cancel(task: SnapshotDict, labels: Labels) -> str:
    """Return the words of the button that cancels a task."""
    can_pause = labels.get("pauses") and phase_of(task) in (Phase.RUNNING, Phase.RETRYING)
    return str(words_of("actions")["pause" if can_pause else "cancel"])


def again(task: SnapshotDict) -> dict[str, str]:
    """Return the buttons that start an ended task again: action and words."""
    words = words_of("actions")
    resume = task.get("resume")
    if not resume:
        return {"again": words["retry"] if phase_of(task) == Phase.FAILED else words["again"]}
    part = resume["percent"]
    go_on = words["go_on"] if part is None else words["go_on_at"].format(percent=part)
    return {"go_on": go_on, "again": words["start_over"]}

"""The words of the buttons by which a person changes a task, as words.js has them."""

from __future__ import annotations

from headway.display.labels import Labels
from headway.display.languages import current, words_of
from headway.display.parts import has_open_parts, phase_of
from headway.shapes import SnapshotDict
from headway.snapshot import FINAL, Phase


def offered(task: SnapshotDict, labels: Labels) -> dict[str, str]:
    """Return the actions that fit a task's phase, and the words of their buttons."""
    said = words_of("actions")
    stop = cancel(task, labels)
    phase = task["phase"]
    if has_open_parts(task):
        return _on_parts(task)
    if phase in (Phase.SCHEDULED, Phase.RETRYING):
        now = said["now"] if phase == Phase.SCHEDULED else said["retry_now"]
        return {"now": now, "cancel": stop}
    if phase in (Phase.QUEUED, Phase.RUNNING, Phase.WAITING):
        return {"cancel": stop}
    if phase in (Phase.FAILED, Phase.SUCCEEDED, Phase.CANCELLED):
        return again(task, labels)
    return {}


def _on_parts(task: SnapshotDict) -> dict[str, str]:
    said = words_of("actions")
    both = {"cancel": cancel_all(task)}
    is_open = Phase(task["phase"]) not in FINAL | {Phase.CANCELLING}
    return {**both, "cancel_task": said["cancel_task"]} if is_open else both


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


def again(task: SnapshotDict, labels: Labels) -> dict[str, str]:
    """Return the buttons that start an ended task again: action and words."""
    words = words_of("actions")
    resume = task.get("resume")
    if not resume:
        return {"again": _retry(task, labels) if phase_of(task) == Phase.FAILED else words["again"]}
    part = resume["percent"]
    go_on = words["go_on"] if part is None else words["go_on_at"].format(percent=part)
    return {"go_on": go_on, "again": words["start_over"]}


def _retry(task: SnapshotDict, labels: Labels) -> str:
    error = task.get("error")
    own = labels.get("again", {}).get(error["type"]) if error else None
    return own or str(words_of("actions")["retry"])

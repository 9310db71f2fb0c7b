"""What the states of Celery's tasks, and their values, say as keys of the snapshot."""

from __future__ import annotations

from typing import Any

from headway.bars import place, scaled, sensible
from headway.shapes import Changes, Step
from headway.snapshot import MAX_READ_CHARS, one_line
from headway.typed_results import kind_of
from headway.values import as_number, as_text

CELERYS_CANCELLED = ("terminated", "revoked")  # Celery's own reasons for it
ARTICLE_KEYS = {"current", "total", "status", "result"}


def progress_fields(celery_state: str, meta: Any) -> Changes:
    """Return the snapshot's fields of an `update_state(celery_state, meta)` by a running task.

    Values that cannot be shown are left out: words, NaN and booleans for numbers, objects whose
    `str` raises. If meta is not a dict only the state is shown. celery-progress calls the status
    `description`, and sets a total of 0 for an unknown one.
    """
    own_word = "" if celery_state in ("PROGRESS", "STARTED") else celery_state
    if not isinstance(meta, dict):
        return {"status": own_word}
    status = as_text(meta.get("status"), MAX_READ_CHARS)
    if status is None:
        status = as_text(meta.get("description"), MAX_READ_CHARS)
    fields: Changes = {"status": one_line(own_word if status is None else status)}
    current = as_number(meta.get("current"))
    total = as_number(meta.get("total"))
    if current is not None:
        fields["current"] = current
    if total is not None or ("total" in meta and meta["total"] is None):
        fields["total"] = total or None
    if "step" in meta:
        fields |= _step_fields(meta["step"], current, total)
    return fields


def _step_fields(said: Any, current: float | None, total: float | None) -> Changes:
    """Return the fields that a step in the meta adds.

    A step with an index and a count is a part of the bar; if it has no numbers of its own it has
    the task's.
    """
    step = step_of(said)
    if step is None:
        return {"step": None}
    fields: Changes = {"step": step, "bar": f"{step['index']} {step['name']}"}
    if step["index"] is None or step["count"] is None:
        return fields
    has_own = not said.keys().isdisjoint(("current", "total"))
    if not has_own:
        step["current"], step["total"] = sensible(current or 0, total) or (0, None)
    if not has_own or (current is None and total is None):
        fields["current"], fields["total"] = scaled(
            step["index"], step["count"], step["current"], step["total"]
        )
    return fields


def step_of(value: Any) -> Step | None:
    """Return a snapshot's step from a dict with some of its keys, or from its name; else None."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        return None
    index, count = place(as_number(value.get("index")), as_number(value.get("count")))
    current, total = sensible(
        as_number(value.get("current")) or 0, as_number(value.get("total"))
    ) or (0, None)
    name = one_line(as_text(value.get("name"), MAX_READ_CHARS) or "")
    return {"index": index, "count": count, "name": name, "current": current, "total": total}


def success_fields(value: Any) -> Changes:
    """Return the snapshot's fields of a task's return value.

    A dict with the article's keys is unwrapped into them.
    """
    if isinstance(value, dict) and "result" in value and value.keys() <= ARTICLE_KEYS:
        fields: Changes = {
            "status": one_line(as_text(value.get("status"), MAX_READ_CHARS) or ""),
            **_result_fields(value["result"]),
        }
        total = as_number(value.get("total"))
        if total is not None:
            fields["total"] = total
        return fields
    return {"status": "", **_result_fields(value)}


def _result_fields(value: Any) -> Changes:
    kind = kind_of(value)
    return {"result": value, "result_kind": kind} if kind else {"result": value}


def cancelled_status(value: Any) -> str:
    """Return the status of a cancelled task, from Celery's exception or a state set by hand."""
    said = value.get("status") if isinstance(value, dict) else value
    line = one_line("Cancelled" if said is None else said)
    return "Cancelled" if line in CELERYS_CANCELLED else line

"""Translates Celery's states and reports into keys of the snapshot."""

from __future__ import annotations

import logging
import sys
from functools import lru_cache
from typing import Any

from headway.celery.error_text import error_of, original_of
from headway.celery.storing.attempts import is_wait
from headway.shapes import Changes
from headway.snapshot import Phase
from headway.state_fields import cancelled_status, progress_fields, success_fields
from headway.store.model import MAX_CALL_BYTES

logger = logging.getLogger(__name__)


def cut_report(meta: dict[str, Any], fields: Changes) -> dict[str, Any]:
    """Return Celery's form of a report that is too large, cut to what the snapshot shows."""
    _warn_of_cut_reports(meta["task_id"])
    shown = {key: value for key, value in fields.items() if key in ("current", "total", "status")}
    return {**meta, "result": shown, "children": []}


@lru_cache(1000)  # which logs once for each task
def _warn_of_cut_reports(task_id: str) -> None:
    logger.warning(
        "Reports of %s of more than %s bytes are cut to what the page shows",
        task_id,
        MAX_CALL_BYTES,
    )


def fields_of(phase: Phase, state: str, value: Any) -> Changes:
    """Return a Celery state and its value as keys of the snapshot."""
    if phase == Phase.RUNNING:
        return progress_fields(state, value)
    if phase == Phase.SUCCEEDED:
        return success_fields(value) | {"error": None, "step": None}
    if phase == Phase.RETRYING:
        error = error_of(original_of(value, sys.exc_info()[1]))
        fields: Changes = {"error": error, "status": "", "step": None}
        return fields if is_wait(value) else {**fields, "current": 0, "total": 1}
    if phase == Phase.FAILED:
        error = error_of(original_of(value, sys.exc_info()[1]))
        return {"error": error, "status": error["message"]}
    if phase == Phase.CANCELLED:
        return {"status": cancelled_status(value), "error": None}
    return {}


def report_meta(
    result: Any, state: str, traceback: Any, request: Any, children: list[Any]
) -> dict[str, Any]:
    """Return a report in the form of Celery's result meta."""
    of_whom = {
        "group_id": getattr(request, "group", None),
        "parent_id": getattr(request, "parent_id", None),
    }
    return {
        "status": state,
        "result": result,
        "traceback": traceback,
        "children": children,
        "date_done": None,
        **{key: value for key, value in of_whom.items() if value},
    }

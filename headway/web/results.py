"""The result of a task on its page, and as a file for spreadsheets."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from headway import masking, strict_json
from headway.shapes import SnapshotDict
from headway.state import state
from headway.store.model import ResultGone
from headway.web.errors import APIError, handle_errors
from headway.web.parameters import integer
from headway.web.reading import read_one
from headway.web.responses import FRESH
from headway.web.result_view import Page, as_csv, link_of, page_of, rows_of
from headway.web.security import guard
from headway.web.viewers import current_viewer

results = Blueprint("headway_results", __name__)
handle_errors(results)
guard(results)

MAX_TABLE_BYTES = 1024 * 1024  # of a result as JSON that is shown as a table
MAX_CSV_BYTES = 16 * 1024 * 1024
NO_TABLE = APIError(404, "no_table", "This task's result is no table: a list of objects.")


class ShownResult(NamedTuple):
    """A result as a table or a link, else neither: it is shown as JSON."""

    table: Page | None = None
    link: str = ""


@results.get("/tasks/<task_id>/result.csv")
def result_csv(task_id: str) -> ResponseReturnValue:
    """Answer with a result that is a list of objects as CSV, in which no text is a formula.

    404 for any other result, and for one of more than MAX_CSV_BYTES.
    """
    stored = read_one(state().records, current_viewer(), task_id)
    rows = rows_of(_value(json.loads(stored.snapshot), MAX_CSV_BYTES))
    if rows is None:
        raise NO_TABLE
    response = Response(as_csv(rows), mimetype="text/csv")
    response.headers["Cache-Control"] = FRESH
    response.headers["Content-Disposition"] = f'attachment; filename="{task_id}.csv"'
    return response


def shown_result(task: SnapshotDict) -> ShownResult:
    """Return a task's result as its page shows it; `?sort=` and `?page=` are of the table."""
    value = masking.masked(_value(task, MAX_TABLE_BYTES))
    rows = rows_of(value)
    if rows is None:
        return ShownResult(link=link_of(value))
    number = integer(request.args.get("page", "1"), "page", 1, 10**9)
    return ShownResult(page_of(rows, request.args.get("sort", ""), number))


def _value(task: SnapshotDict, max_bytes: int) -> Any:
    """Return a task's whole result; None where there is none, or it is larger than that."""
    if task.get("result_size") is None:
        return task.get("result")
    found = state().records.results.read(task["task_id"])
    if found is None or found[0] > max_bytes:
        return None
    try:
        return strict_json.parse(b"".join(found[1]).decode())
    except (ValueError, ResultGone):
        return None

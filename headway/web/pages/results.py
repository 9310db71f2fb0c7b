"""The result of a task on its page, as what it is, and as a file for spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from headway import masking, strict_json
from headway.display.labels import labels_of
from headway.display.tables import rows_of
from headway.shapes import SnapshotDict
from headway.state import state
from headway.store.model import ResultGone
from headway.web.api.bounds import Within
from headway.web.api.files import ShownFile
from headway.web.api.parameters import integer
from headway.web.api.reading import read_one
from headway.web.api.responses import FRESH
from headway.web.pages import markdown, result_plot
from headway.web.pages.result_plot import DrawnPlot
from headway.web.pages.result_view import Page, as_csv, link_of, page_of
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

results = Blueprint("headway_results", __name__)
handle_errors(results)
guard(results)

PAGES = Within(1, 10**9)
MAX_TABLE_BYTES = 1024 * 1024  # of a result as JSON that is shown as a table
MAX_CSV_BYTES = 16 * 1024 * 1024
NO_TABLE = APIError(404, "no_table", "This task's result is no table: a list of objects.")


class ShownResult(NamedTuple):
    """A result as what it is; without any of these it is shown as JSON."""

    table: Page | None = None
    link: str = ""
    markdown: Markup | None = None
    image: ShownImage | None = None
    plot: DrawnPlot | None = None


class ShownImage(NamedTuple):
    """An image among a task's files."""

    name: str
    alt: str


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


def shown_result(task: SnapshotDict, files: Sequence[ShownFile], token: str) -> ShownResult:
    """Return a task's result as its page shows it; `?sort=` and `?page=` are of the table.

    `files` are the task's, and `token` is carried by their addresses.
    """
    value = masking.masked(_value(task, MAX_TABLE_BYTES))
    if value is None:
        return ShownResult()
    kind = state().records.results.kind(task["task_id"])
    if kind == "markdown" and isinstance(value, str):
        return ShownResult(markdown=markdown.render_in_turn(value, _addresses(task, files, token)))
    if kind == "image":
        return ShownResult(image=_image(value, files))
    if kind == "plot":
        return ShownResult(plot=result_plot.draw(value))
    rows = rows_of(value)
    if rows is None:
        return ShownResult(link=link_of(value))
    number = integer(request.args.get("page", "1"), "page", PAGES)
    texts = labels_of(task["name"]).get("texts", ())
    return ShownResult(page_of(rows, request.args.get("sort", ""), number, texts))


def _image(value: Any, files: Sequence[ShownFile]) -> ShownImage | None:
    """Return the image that a result names; None where the task has given out no such image."""
    match value:
        case {"file": str() as name, "alt": str() as alt}:
            is_shown = any(file.name == name and file.is_image for file in files)
            return ShownImage(name, alt) if is_shown else None
    return None


def _addresses(task: SnapshotDict, files: Sequence[ShownFile], token: str) -> markdown.TaskFiles:
    """Return where the task's files are, for the names of them in its Markdown."""
    carried: dict[str, Any] = {"token": token} if token else {}
    about = {**carried, "task_id": task["task_id"]}
    found = {file.name: url_for("headway_files.file", name=file.name, **about) for file in files}
    images = {file.name: found[file.name] for file in files if file.is_image}
    return markdown.TaskFiles(found, images)


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

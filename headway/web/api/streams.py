"""The endpoint of a task's output streams."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from headway.state import state
from headway.web.api.parameters import integer
from headway.web.api.payloads import OFFSET
from headway.web.api.reading import read_one
from headway.web.api.responses import FRESH
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

streams = Blueprint("headway_streams", __name__)
handle_errors(streams)
guard(streams)

NO_STREAM = APIError(404, "not_found", "This task has no such stream.")


@streams.get("/tasks/<task_id>/streams/<name>")
def stream(task_id: str, name: str) -> ResponseReturnValue:
    """Answer with a stream's text from `?offset=` on, in bytes of UTF-8.

    `{"offset", "text", "next", "closed", "length", "epoch"}`; with another `?epoch=` than the
    stream's own, from its beginning. The text alone for a client that prefers text/plain, and as a
    file with `?download`.
    """
    records = state().records
    read_one(records, current_viewer(), task_id)
    offset = integer(request.args.get("offset", "0"), "offset", OFFSET)
    epoch = request.args.get("epoch")
    had = offset, None if epoch is None else integer(epoch, "epoch", OFFSET)
    found = records.queries.read_streams(task_id, {name: had}, only=name).get(name)
    if found is None:
        raise NO_STREAM
    is_file = "download" in request.args
    kinds = request.accept_mimetypes
    is_text = kinds.best_match(["application/json", "text/plain"]) == "text/plain"
    if is_file or is_text:
        response = Response(found["text"], mimetype="text/plain")
    else:
        response = jsonify(found)
    if is_file:
        response.headers["Content-Disposition"] = f'attachment; filename="{task_id}.{name}.txt"'
    response.headers["Cache-Control"] = FRESH
    response.vary.add("Accept")
    return response

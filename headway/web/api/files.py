"""The endpoints of the files that a task has given out."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Blueprint, jsonify, request, send_file
from flask.typing import ResponseReturnValue

from headway.display.formats import format_size
from headway.files.store import size_of
from headway.files.types import IMAGES
from headway.state import state
from headway.store.files import TaskFile
from headway.web.api.reading import read_one
from headway.web.api.responses import FRESH
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

files = Blueprint("headway_files", __name__)
handle_errors(files)
guard(files)

logger = logging.getLogger(__name__)

MAX_IMAGE_BYTES = 5 * 1024 * 1024  # that a page shows by itself
NO_FILE = APIError(404, "not_found", "This task has no such file.")
NO_FOLDER = APIError(
    503,
    "no_file_folder",
    "This server cannot give out files: headway_files is not set here.",
)
AWAY = APIError(503, "files_away", "The file cannot be read now. Try again later.")
NOT_HERE = APIError(
    404,
    "file_not_here",
    "The task has given out this file, but it is not where this server looks for files.",
)
OTHER_FILE = APIError(412, "precondition_failed", "This is another version of the file.")


class ShownFile(NamedTuple):
    """A file as the task page shows it."""

    name: str
    size: str
    is_image: bool


@files.get("/tasks/<task_id>/files")
def listing(task_id: str) -> ResponseReturnValue:
    """Answer with a task's files, oldest first: `{"files": [{"name", "size", "type", "at"}]}`."""
    read_one(state().records, current_viewer(), task_id)
    found = [
        {"name": file.name, "size": file.size, "type": file.type, "at": file.at}
        for file in state().records.files.of(task_id)
    ]
    response = jsonify(files=found)
    response.headers["Cache-Control"] = FRESH
    return response


@files.get("/tasks/<task_id>/files/<name>")
def file(task_id: str, name: str) -> ResponseReturnValue:
    """Answer with a file as an attachment, or with the part that `Range` asks for.

    404 for a file that the task has not given out, or that this server does not have; 503 where it
    has no place for files, or cannot reach it.
    """
    read_one(state().records, current_viewer(), task_id)
    found = [each for each in state().records.files.of(task_id) if each.name == name]
    if not found:
        raise NO_FILE
    return _send(task_id, found[0])


def files_shown(task_id: str) -> list[ShownFile]:
    """Return a task's files as its page shows them."""
    return [
        ShownFile(
            file.name,
            format_size(file.size),
            file.type in IMAGES and file.size <= MAX_IMAGE_BYTES,
        )
        for file in state().records.files.of(task_id)
    ]


def _send(task_id: str, file: TaskFile) -> ResponseReturnValue:
    store = state().files
    if store is None:
        logger.error("A task has given out a file, but headway_files is not set here")
        raise NO_FOLDER
    try:
        opened = store.open(task_id, file.key)
    except OSError as error:
        logger.error("A file of task %s cannot be read: %s", task_id, error)
        raise AWAY from None
    if opened is None:
        logger.error("A file of task %s is not in this server's headway_files", task_id)
        raise NOT_HERE
    size = size_of(opened)
    response = send_file(
        opened,
        mimetype=file.type,
        as_attachment=True,
        download_name=file.name,
        conditional=False,  # it would not know the size
        etag=file.key,
    )
    response.content_length = size
    response.headers["Cache-Control"] = FRESH
    try:
        response.make_conditional(_environ_for(size), accept_ranges=True, complete_length=size)
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise OTHER_FILE
    except Exception:  # or the range begins beyond the end
        opened.close()
        raise
    return response


def _environ_for(size: int) -> dict[str, Any]:
    """Return the request's environ with a `Range` that Werkzeug takes as RFC 9110 has it.

    What is no single range of bytes is ignored (14.2); the last bytes of a file that has fewer are
    all of it (14.1.2).
    """
    wanted = request.range
    environ = {**request.environ}
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        environ.pop("HTTP_RANGE", None)
    elif wanted.ranges[0][0] < -size:
        environ["HTTP_RANGE"] = f"bytes=-{size}"
    return environ

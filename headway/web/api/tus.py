"""Uploads that come in pieces: tus 1.0 (https://tus.io/protocols/resumable-upload).

Of its extensions there are creation, expiration and termination.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import http_date

from headway.files import resumable
from headway.files.resumable import UploadState
from headway.files.store import Busy, Moved, TooLarge
from headway.files.upload import is_upload_id
from headway.files.uploading import max_bytes_of
from headway.state import state
from headway.web.api.receiving import accounts_of, refusals
from headway.web.api.responses import FRESH
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.owners import current_owner
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

tus = Blueprint("headway_tus", __name__)
handle_errors(tus)
guard(tus)

VERSION = "1.0.0"
VERSION_HEADER = "Tus-Resumable"
OVERRIDE = "X-HTTP-Method-Override"
EXTENSIONS = "creation,expiration,termination"
PIECE_TYPE = "application/offset+octet-stream"
PIECE_BYTES = 64 * 1024
NUMBER = re.compile(r"[0-9]{1,15}")

OTHER_VERSION = APIError(
    412, "unsupported_version", f"Send the header {VERSION_HEADER}: {VERSION}, as tus 1.0 has it."
)
BAD_LENGTH = APIError(
    400, "bad_length", "Send the file's size in bytes as Upload-Length: it cannot be sent later."
)
BAD_METADATA = APIError(
    400, "bad_metadata", "Upload-Metadata holds names, each with its value in Base64 of UTF-8."
)
EMPTY_FIRST = APIError(
    400, "has_body", "Begin an upload without a body, and send the file's bytes by PATCH."
)
BAD_OFFSET = APIError(400, "bad_offset", "Send as Upload-Offset from which byte on it goes on.")
OTHER_TYPE = APIError(415, "unsupported_media_type", f"Send bytes as {PIECE_TYPE}.")
NOT_FOUND = APIError(404, "not_found", "This upload has expired or is not yours.")
WRONG_OFFSET = APIError(
    409, "wrong_offset", "This upload goes on from another byte: ask by HEAD for Upload-Offset."
)
LOCKED = APIError(423, "locked", "Another request is just adding to this upload.")
TOO_LONG = APIError(413, "too_long", "These bytes would make the file larger than Upload-Length.")
BROKEN = APIError(
    400, "broken_body", "Not all bytes arrived: ask by HEAD for Upload-Offset, and go on there."
)
NO_METHOD = APIError(405, "method_not_allowed", f"Send PATCH or DELETE as {OVERRIDE}.")
IN_USE = APIError(409, "in_use", "A task uses this file: forget the task first.")


def add_versions(response: Response) -> Response:
    """Add which tus is spoken here to an answer, where the client speaks it."""
    if VERSION_HEADER in request.headers or request.blueprint == tus.name:
        response.headers[VERSION_HEADER] = VERSION
        response.headers["Tus-Version"] = VERSION
    return response


tus.after_request(add_versions)


@tus.route("/uploads", methods=["OPTIONS"], provide_automatic_options=False)
def options() -> ResponseReturnValue:
    """Say which tus is spoken here."""
    headers = {
        "Allow": "OPTIONS, POST",
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_bytes_of(state())),
    }
    return "", 204, headers


def begin(owner: str) -> ResponseReturnValue:
    """Begin an upload of `owner`'s as the current request says; 201 and its address."""
    _check_version()
    size = _number("Upload-Length", BAD_LENGTH)
    name = _name()
    if request.content_length or request.headers.get("Transfer-Encoding"):
        raise EMPTY_FIRST
    with refusals():
        begun = resumable.begin(state(), name, size, owner=owner, accounts=accounts_of(owner))
    response = _shown(begun)
    response.status_code = 201
    response.headers["Location"] = url_for("headway_tus.show", upload_id=begun.upload.id)
    return response


@tus.get("/uploads/<upload_id>")
def show(upload_id: str) -> ResponseReturnValue:
    """Answer with how much of an upload has come; HEAD alike, as tus has it.

    `{"upload_id", "name", "size", "type", "offset"}`: all has come where `offset` is `size`, and
    `type` is null until then. 404 for one that has expired, or is not its sender's.
    """
    if request.method == "HEAD":
        _check_version()
    return _shown(_mine(upload_id))


@tus.patch("/uploads/<upload_id>")
def append(upload_id: str) -> ResponseReturnValue:
    """Add the body to an upload from the byte `Upload-Offset` on, which is as much as has come.

    204 with the next `Upload-Offset`; 409 for another offset, 423 while another request adds to it.
    What has come of a body that breaks off is kept.
    """
    _check_version()
    if request.mimetype != PIECE_TYPE:
        raise OTHER_TYPE
    offset = _number("Upload-Offset", BAD_OFFSET)
    found = _mine(upload_id)
    if offset != found.offset:
        raise WRONG_OFFSET
    left = found.upload.file.size - offset
    if (request.content_length or 0) > left:
        raise TOO_LONG
    if left:
        request.max_content_length = left + 1  # Werkzeug refuses a chunked body that reaches it
        with refusals(), _changed_meanwhile():
            found = resumable.append(state(), found, _pieces())
    response = Response(status=204, headers={"Upload-Offset": str(found.offset)})
    return _with_expiry(response, upload_id)


@tus.delete("/uploads/<upload_id>")
def end(upload_id: str) -> ResponseReturnValue:
    """Delete an upload, begun or whole; 204. 409 while a task uses it."""
    _check_version()
    _mine(upload_id)
    if not resumable.drop(state(), upload_id):
        raise IN_USE
    return "", 204


@tus.post("/uploads/<upload_id>")
def override(upload_id: str) -> ResponseReturnValue:
    """Do what `X-HTTP-Method-Override` says: PATCH or DELETE.

    It is for clients behind proxies that let no other methods through.
    """
    view = {"PATCH": append, "DELETE": end}.get(request.headers.get(OVERRIDE, ""))
    if view is None:
        raise NO_METHOD
    if "Upload-Offset" in request.headers:  # one document describes both methods
        _number("Upload-Offset", BAD_OFFSET)
    return view(upload_id)


@contextmanager
def _changed_meanwhile() -> Iterator[None]:
    """Raise APIError where another request has changed the upload."""
    try:
        yield
    except Moved:
        raise WRONG_OFFSET from None
    except Busy:
        raise LOCKED from None
    except TooLarge:
        raise TOO_LONG from None
    except FileNotFoundError:
        raise NOT_FOUND from None


def _pieces() -> Iterator[bytes]:
    """Yield the body as it comes. Raises APIError where it breaks off."""
    try:
        while piece := request.stream.read(PIECE_BYTES):
            yield piece
    except ClientDisconnected:
        raise BROKEN from None


def _mine(upload_id: str) -> UploadState:
    """Return how much of an upload of the sender's has come. Raises APIError."""
    with refusals(), _changed_meanwhile():
        found = resumable.find(state(), upload_id) if is_upload_id(upload_id) else None
    owner = current_owner()
    if owner is None and not current_viewer().sees_unowned:
        raise NOT_FOUND
    if found is None or found.upload.owner != (owner or ""):
        raise NOT_FOUND
    return found


def _shown(found: UploadState) -> Response:
    file = found.upload.file
    response = jsonify(
        upload_id=found.upload.id,
        name=file.name,
        size=file.size,
        type=file.type if found.is_whole else None,
        offset=found.offset,
    )
    response.headers["Cache-Control"] = FRESH
    response.headers["Upload-Length"] = str(file.size)
    response.headers["Upload-Offset"] = str(found.offset)
    return _with_expiry(response, found.upload.id)


def _with_expiry(response: Response, upload_id: str) -> Response:
    seconds = state().records.uploads.seconds_left(upload_id)
    response.headers["Upload-Expires"] = http_date(time.time() + seconds)
    return response


def _check_version() -> None:
    if request.headers.get(VERSION_HEADER) != VERSION:
        raise OTHER_VERSION


def _number(header: str, refusal: APIError) -> int:
    text = request.headers.get(header, "")
    if not NUMBER.fullmatch(text):
        raise refusal
    return int(text)


def _name() -> str:
    """Return the file name in `Upload-Metadata`, "" for none. Raises APIError."""
    pairs = request.headers.get("Upload-Metadata", "")
    found = {}
    for pair in filter(None, map(str.strip, pairs.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except ValueError:  # binascii's own, of what is not Base64, and UTF-8's are such
            raise BAD_METADATA from None
    return found.get("filename", "")

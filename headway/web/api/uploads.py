"""`POST /uploads`: takes in a file for a task at once, or begins one that comes in pieces."""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from headway.files.uploading import max_bytes_of
from headway.state import state
from headway.web.api.multipart import UploadedPart
from headway.web.api.receiving import AROUND_BYTES, keep, owner_of_uploads, too_large
from headway.web.api.responses import FRESH
from headway.web.api.tus import VERSION_HEADER, add_versions, begin
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard

uploads = Blueprint("headway_uploads", __name__)
handle_errors(uploads)
guard(uploads)
uploads.after_request(add_versions)

NOT_MULTIPART = APIError(
    415, "not_multipart", "Send one file as multipart/form-data: curl -F file=@people.csv."
)


@uploads.post("/uploads", provide_automatic_options=False)
def take() -> ResponseReturnValue:
    """Take in a file, the one in a multipart form; 201 and `{"upload_id", "name", "size", "type"}`.

    It is its sender's, and kept for some hours, or as long as tasks that use it. 413 for a file
    that is too large, or one too many; nothing is kept of a file that does not arrive whole.

    With the header `Tus-Resumable: 1.0.0` it begins an upload that comes in pieces, of
    `Upload-Length` bytes; 201, and its address in `Location`. See tus.io.
    """
    owner = owner_of_uploads()
    return begin(owner) if VERSION_HEADER in request.headers else _take_whole(owner)


def _take_whole(owner: str) -> ResponseReturnValue:
    boundary = request.mimetype_params.get("boundary", "")
    if request.mimetype != "multipart/form-data" or not boundary:
        raise NOT_MULTIPART
    max_bytes = max_bytes_of(state())
    if (request.content_length or 0) > max_bytes + AROUND_BYTES:
        raise too_large()
    request.max_content_length = max_bytes + AROUND_BYTES
    part = UploadedPart(request.stream, boundary)
    upload = keep(part.name, part, owner, request.content_length)
    file = upload.file
    response = jsonify(upload_id=upload.id, name=file.name, size=file.size, type=file.type)
    response.headers["Cache-Control"] = FRESH
    return response, 201

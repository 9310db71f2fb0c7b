"""Takes in the files that people upload for tasks: `POST /uploads`, and files in a form."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from headway.exceptions import ConfigError
from headway.file_folder import TooLarge
from headway.formats import format_size
from headway.state import state
from headway.store.uploads import StoredUpload
from headway.uploading import UploadsFull, max_bytes_of, take_in
from headway.web.access import get_or_create_owner
from headway.web.errors import APIError, handle_errors
from headway.web.multipart import UploadedPart
from headway.web.responses import FRESH
from headway.web.security import guard
from headway.web.viewers import current_viewer

uploads = Blueprint("headway_uploads", __name__)
handle_errors(uploads)
guard(uploads)

logger = logging.getLogger(__name__)

AROUND_BYTES = 64 * 1024  # of a body, beside its file
NOT_MULTIPART = APIError(
    415, "not_multipart", "Send one file as multipart/form-data: curl -F file=@people.csv."
)
NO_FOLDER = APIError(
    503,
    "no_file_folder",
    "This server takes no files: it has no headway_files folder.",
)
NOT_WRITTEN = APIError(
    503, "not_stored", "The file could not be stored, so it was not kept. Try again later."
)
FULL = APIError(
    413,
    "uploads_full",
    "Too many of your files are kept already. Forget tasks that used some, or wait a day.",
)
NOBODY = APIError(403, "no_owner", "Sign in first: nobody could use the file that you upload.")


@uploads.post("/uploads")
def take() -> ResponseReturnValue:
    """Take in a file, the one in a multipart form; 201 and `{"upload_id", "name", "size", "type"}`.

    It is its sender's, and kept for some hours, or as long as tasks that use it. 413 for a file
    that is too large, or one too many; nothing is kept of a file that does not arrive whole.
    """
    owner = owner_of_uploads()
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


def owner_of_uploads() -> str:
    """Return whose an upload will be, "" for an operator's. Raises APIError where nobody's."""
    owner = get_or_create_owner()
    if owner is None and not current_viewer().sees_unowned:
        raise NOBODY
    return owner or ""


def keep(
    name: str, pieces: Iterable[bytes], owner: str, size: int | None, upload_id: str = ""
) -> StoredUpload:
    """Store an upload of at most `size` bytes, if that is known. Raises APIError, Unavailable."""
    limits = state().limits
    accounts = limits.accounts(owner, request.remote_addr or "") if limits.are_on else {}
    own: dict[str, Any] = {"owner": owner, "size": size, "upload_id": upload_id}
    try:
        return take_in(state(), name, pieces, **own, accounts=accounts)
    except TooLarge:
        raise too_large() from None
    except UploadsFull:
        raise FULL from None
    except ConfigError:
        logger.error("A file is uploaded, but headway_files is not set here")
        raise NO_FOLDER from None
    except OSError as error:
        logger.error("An uploaded file cannot be stored: %s", error)
        raise NOT_WRITTEN from None


def too_large() -> APIError:
    """Return the refusal of a file that is too large."""
    largest = format_size(max_bytes_of(state()))
    return APIError(413, "too_large", f"This file is too large: it may have {largest}.")

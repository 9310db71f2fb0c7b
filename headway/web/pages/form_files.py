"""The files of a form that starts a task: those that come with it, and those uploaded before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from uuid import uuid4

from flask import current_app, request
from werkzeug.datastructures import FileStorage

from headway.arguments.form import file_fields
from headway.display.formats import format_size
from headway.display.languages import Sentence
from headway.files.upload import is_upload_id
from headway.files.uploading import GONE, max_bytes_of
from headway.registry import TaskType
from headway.settings import MAX_BODY_BYTES
from headway.state import state
from headway.store.errors import RedisUnavailable
from headway.store.uploads import StoredUpload
from headway.web.api.receiving import keep
from headway.web.api.responses import idempotency_key
from headway.web.requests.errors import APIError, wants_json
from headway.web.requests.limiting import count

PIECE_BYTES = 64 * 1024
CHOSEN = Sentence("The file that you chose")  # while Redis does not say which


def expect_files(kind: TaskType) -> None:
    """Let the current request's form be as large as its files. Call it before the form is read.

    Another body than a multipart one has no files, and is read into memory whole.
    """
    fields = file_fields(kind.arguments or ())
    if fields and request.mimetype == "multipart/form-data":
        texts = int(current_app.config[MAX_BODY_BYTES.name])
        request.max_form_memory_size = texts  # Flask's own is smaller
        request.max_content_length = len(fields) * max_bytes_of(state()) + texts


def take_files(kind: TaskType, owner: str) -> tuple[dict[str, str], dict[str, str]]:
    """Store the files of the current request's form, and return the form, with their ids.

    And why those that were not stored were not, by path of arguments. Raises RedisUnavailable,
    LimitReached.
    """
    form = request.form.to_dict()
    wrong = {}
    for path, field in file_fields(kind.arguments or ()).items():
        file = request.files.get(field)
        if file is None or not file.filename:
            continue
        count("uploads")
        try:
            form[field] = _take(file, field, owner).id
        except APIError as error:
            if wants_json():
                raise
            error.__traceback__ = None  # it may be a constant, whose traceback would grow
            wrong[path] = error.message
    return form, wrong


def stored_files(kind: TaskType, form: Mapping[str, str], owner: str) -> dict[str, str]:
    """Return the name and size of each stored upload in a form that is `owner`'s, by id."""
    named = [form.get(field, "") for field in file_fields(kind.arguments or ()).values()]
    ids = [one for one in named if is_upload_id(one)]
    try:
        return own_files(ids, owner)
    except RedisUnavailable:
        return dict.fromkeys(ids, CHOSEN)


def own_files(ids: Sequence[str], owner: str) -> dict[str, str]:
    """Return the name and size of each of these uploads that is stored and `owner`'s, by id."""
    found = state().records.uploads.read(ids) if ids else []
    own = [one for one in found if one is not None and one.owner == owner]
    return {one.id: f"{one.file.name}, {format_size(one.file.size)}" for one in own}


def missing_files(
    kind: TaskType, form: Mapping[str, str], stored: Mapping[str, str]
) -> dict[str, str]:
    """Return what is wrong with the uploads in a form that are not `stored`, by path."""
    fields = file_fields(kind.arguments or ())
    return {
        path: GONE
        for path, field in fields.items()
        if is_upload_id(form.get(field)) and form[field] not in stored
    }


def _take(file: FileStorage, field: str, owner: str) -> StoredUpload:
    """Store a file of the form; the same file of a form that is sent twice is one upload."""
    key = idempotency_key() or str(uuid4())
    name = file.filename or ""
    digest = sha256("\0".join((owner, key, field, name)).encode())
    size = 0
    for piece in _pieces(file):
        digest.update(piece)
        size += len(piece)
    upload_id = digest.hexdigest()[:32]
    [known] = state().records.uploads.read([upload_id])
    return known or keep(name, _pieces(file), owner, size, upload_id)


def _pieces(file: FileStorage) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece

"""Receives uploads in pieces, each of which continues where the one before ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple
from uuid import uuid4

from headway.files.store import TooLarge, size_of
from headway.files.types import BINARY, HEAD_BYTES, file_name, media_type
from headway.files.uploading import UploadsFull, keep_seconds, max_bytes_of, upload_store
from headway.store.uploads import StoredUpload
from headway.system import System


class UploadState(NamedTuple):
    """How much of an upload has come: `offset` bytes of `upload.file.size`."""

    upload: StoredUpload
    offset: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self.offset == self.upload.file.size


def begin(
    system: System, name: str, size: int, *, owner: str, accounts: Mapping[str, int]
) -> UploadState:
    """Begin an upload of `owner`'s that will have `size` bytes, which count from now on.

    `accounts` is how many bytes may be kept at a time, by whose they are. Raises ConfigError
    without a place for it, TooLarge, UploadsFull, OSError, RedisUnavailable; nothing is left then.
    """
    store = upload_store(system)
    if size > max_bytes_of(system):
        raise TooLarge
    upload_id = uuid4().hex
    key = store.create(upload_id)
    about: dict[str, str | int] = {
        "name": file_name(name),
        "size": size,
        "type": BINARY,
        "key": key,
    }
    file = None
    try:
        file = system.records.uploads.begin(upload_id, owner, about, keep_seconds(system), accounts)
    finally:
        if file is None:
            with suppress(OSError):  # maintenance deletes it
                store.delete_all(upload_id)
    if file is None:
        raise UploadsFull
    return _finished(system, UploadState(StoredUpload(upload_id, owner, file), 0))


def find(system: System, upload_id: str) -> UploadState | None:
    """Return how much of an upload has come, None if it is not kept.

    One of which the last byte has come is whole from then on: who took it in may have died.
    """
    uploads = system.records.uploads
    if upload := uploads.begun(upload_id):
        size = upload_store(system).size(upload_id, upload.file.key)
        return None if size is None else _finished(system, UploadState(upload, size))
    [whole] = uploads.read([upload_id])
    return UploadState(whole, whole.file.size) if whole else None


def append(system: System, begun: UploadState, pieces: Iterable[bytes]) -> UploadState:
    """Add what the pieces hold to an upload, and keep it for some hours more.

    Raises Moved where more or less has come than `begun` says, Busy where another one is just being
    added to, FileNotFoundError if it is gone, TooLarge where it would have more bytes than it was
    begun with, OSError, RedisUnavailable, and what the pieces raise; what has come by then is kept.
    """
    upload = begun.upload
    store = upload_store(system)
    file = upload.file
    system.records.uploads.prolong(upload.id, keep_seconds(system))
    offset = store.append(upload.id, file.key, begun.offset, pieces, file.size)
    return _finished(system, UploadState(upload, offset))


def drop(system: System, upload_id: str) -> bool:
    """Delete an upload; False, and it is kept, if a task uses it."""
    if not system.records.uploads.drop(upload_id):
        return False
    with suppress(OSError):  # maintenance deletes it
        upload_store(system).delete_all(upload_id)
    return True


def _finished(system: System, state: UploadState) -> UploadState:
    """Note an upload if it is whole. Raises FileNotFoundError if it is gone, OSError."""
    if not state.is_whole:
        return state
    upload = state.upload
    store = upload_store(system)
    store.seal(upload.id, upload.file.key)
    opened = store.open(upload.id, upload.file.key)
    if opened is None:
        raise FileNotFoundError(upload.id)
    with opened:
        if (stored := size_of(opened)) != state.offset:
            raise OSError(f"Of an upload of {state.offset} bytes {stored} are stored.")
        head = opened.read(HEAD_BYTES)
    name = upload.file.name
    about: dict[str, str | int] = {
        "name": name,
        "size": state.offset,
        "type": media_type(name, head),
        "key": upload.file.key,
    }
    file = system.records.uploads.finish(upload.id, about, keep_seconds(system))
    if file is None:
        raise FileNotFoundError(upload.id)
    return UploadState(upload._replace(file=file), state.offset)

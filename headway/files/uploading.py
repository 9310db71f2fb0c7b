"""Takes in files that are uploaded for tasks, and finds those that a start names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from headway import settings
from headway.arguments.signatures import converting
from headway.arguments.typed import uploads_in
from headway.celery.run.uploads import upload_in
from headway.display.languages import Sentence
from headway.exceptions import ConfigError, HeadwayError, UploadExpired
from headway.files.place import file_store
from headway.files.store import FileStore
from headway.files.types import file_name, media_type
from headway.files.upload import Upload
from headway.registry import BadArguments, TaskType
from headway.store.errors import RedisUnavailable
from headway.store.uploads import StoredUpload
from headway.system import System

logger = logging.getLogger(__name__)

RESERVED_SECONDS = 3600.0  # for which an upload that has begun may take to come
GONE = Sentence("This file has expired or is not yours: upload it again.")
NO_PLACE = "There is no place for uploads: set headway_files, in the workers' settings too."


class UploadsFull(HeadwayError):
    """More bytes of this owner's uploads would be kept than may be."""


class UnknownUpload(BadArguments):
    """Arguments name uploads that are not kept, or not the owner's; `fields` says which."""


def max_bytes_of(system: System) -> int:
    """Return how large an upload may be, in bytes."""
    return int(settings.UPLOAD_MAX_BYTES.read(system.celery.conf))


def keep_seconds(system: System) -> float:
    """Return for how long an upload is kept that no task uses."""
    return float(settings.UPLOAD_HOURS.read(system.celery.conf)) * 3600


def upload_store(system: System) -> FileStore:
    """Return where uploads are kept. Raises ConfigError where nothing is set."""
    store = file_store(system.celery.conf, system.records, "uploads")
    if store is None:
        raise ConfigError(NO_PLACE)
    return store


def take_in(
    system: System,
    name: str,
    pieces: Iterable[bytes],
    *,
    owner: str,
    size: int | None = None,
    upload_id: str = "",
    accounts: Mapping[str, int] | None = None,
) -> StoredUpload:
    """Store an upload of `owner`'s: what the pieces hold together, at most `size` if it is given.

    `accounts` is how many bytes may be kept at a time, by whose they are. Whatever is raised,
    nothing is left: ConfigError without a place for it, TooLarge, UploadsFull, OSError,
    RedisUnavailable, and what the pieces raise.
    """
    store = upload_store(system)
    max_bytes = max_bytes_of(system)
    room = max_bytes if size is None else min(size, max_bytes)
    accounts = accounts or {}
    uploads = system.records.uploads
    upload_id = upload_id or uuid4().hex
    if accounts and not uploads.reserve(upload_id, room, RESERVED_SECONDS, accounts):
        raise UploadsFull
    file = None
    try:
        stored = store.store(upload_id, pieces, max_bytes)
        kind = media_type(file_name(name), stored.head)
        about: dict[str, str | int] = {
            "name": file_name(name),
            "size": stored.size,
            "type": kind,
            "key": stored.key,
        }
        file = uploads.note(upload_id, owner, about, keep_seconds(system), accounts)
    finally:
        if file is None:
            with suppress(OSError):  # maintenance deletes it
                store.delete_all(upload_id)
            with suppress(RedisUnavailable):  # it is given back after RESERVED_SECONDS
                uploads.release(upload_id, accounts)
    if file is None:
        raise UploadsFull
    return StoredUpload(upload_id, owner, file)


def uploads_of(
    system: System, kind: TaskType, args: Mapping[str, Any], owner: str
) -> dict[str, StoredUpload]:
    """Return the uploads among a task's arguments, which fit it, by path.

    Raises UnknownUpload for those that are not kept, or not the owner's.
    """
    named = {
        f"{each.name}.{path}" if path else each.name: upload_id
        for each in kind.uploads
        if each.name in args
        for path, upload_id in uploads_in(args[each.name], each.hint)
    }
    found = dict(zip(named, system.records.uploads.read(list(named.values())), strict=True))
    own = {path: one for path, one in found.items() if one is not None and one.owner == owner}
    if len(own) < len(named):
        raise UnknownUpload(dict.fromkeys(named.keys() - own.keys(), GONE))
    return own


def check(
    system: System, kind: TaskType, args: Mapping[str, Any], uploads: Mapping[str, StoredUpload]
) -> None:
    """Have a kind's own check look at the arguments of a start, and into their uploads.

    What cannot be read here and now, the task finds. Raises BadArguments.
    """
    if kind.check is None:
        return
    files = {one.id: one.file for one in uploads.values()}

    def load(upload_id: str) -> Upload:
        return upload_in(upload_store(system), upload_id, files[upload_id])

    ordered, named = kind.call.split(args)
    try:
        converting(kind.check, load=load)(*ordered, **named)
    except (ConfigError, OSError, UploadExpired):  # a terminal on another machine has no such files
        logger.warning("The uploads of a start of %s cannot be checked", kind.name, exc_info=True)

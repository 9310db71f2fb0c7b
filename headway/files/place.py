"""Chooses where files are kept, a folder or a bucket, by the setting `headway_files`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headway import settings
from headway.exceptions import ConfigError
from headway.files.bucket.address import SCHEME, address_of
from headway.files.folder import FileFolder
from headway.files.store import FileStore, Kind, PartNotes
from headway.store.records import Records

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")  # a slip in s3://..., or another scheme
NO_FOLDER = "headway_files is neither a folder nor an address as s3://bucket/prefix."
NOT_INSTALLED = (
    "headway_files is a bucket, but botocore is not installed: pip install 'headway[s3]'."
)


def file_store(conf: Mapping[str, Any], records: Records, kind: Kind = "tasks") -> FileStore | None:
    """Return where a Celery app's settings keep files, None where they say nothing.

    Raises ConfigError for a bucket's address that is wrong, or where the extra `s3` is missing.
    """
    place = settings.FILES.read(conf)
    return store_at(place, records.keys.prefix, records.uploads.parts, kind) if place else None


def store_at(place: str | Path, prefix: str, notes: PartNotes, kind: Kind) -> FileStore:
    """Return the store in a folder or a bucket; `prefix` is that of the project's keys in Redis.

    Raises ConfigError as `file_store` does.
    """
    if not str(place).startswith(SCHEME):
        if URL.match(str(place)):
            raise ConfigError(NO_FOLDER)
        return FileFolder(Path(place).expanduser(), prefix, kind)
    address = address_of(str(place))
    if find_spec("botocore") is None:
        raise ConfigError(NOT_INSTALLED)
    # Not at the top: only projects with a bucket need botocore.
    from headway.files.bucket.files import FileBucket

    return FileBucket(address, prefix, notes, kind)

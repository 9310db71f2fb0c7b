"""Checks that files can be kept where `headway_files` says, for `headway doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from headway.exceptions import ConfigError
from headway.files.place import store_at
from headway.store.checks import Finding, Mark

SUBJECT = "files"
SAMPLE = b"headway doctor"


class _NoParts:
    """Stands for the notes of uploads: the check makes no upload in parts."""

    def read(self, upload_id: str) -> None:
        return None

    def replace(self, upload_id: str, before: str, after: str) -> bool:
        return False

    def take_number(self, upload_id: str) -> int:
        return 0


def findings(place: str | Path) -> Iterator[Finding]:
    """Yield whether a file can be stored, read and deleted in a folder or a bucket."""
    try:
        store = store_at(place, "", _NoParts(), "tasks")
        task_id = str(uuid4())
        key = store.store(task_id, [SAMPLE], len(SAMPLE)).key
        opened = store.open(task_id, key)
        with opened or Path("/dev/null").open("rb") as file:
            is_read = file.read() == SAMPLE
        store.delete_all(task_id)
    except (ConfigError, OSError) as error:
        why = str(error).rstrip(".")
        yield Finding(Mark.BAD, SUBJECT, f"cannot be kept: {why}. See headway_files, or FILES")
    else:
        if is_read:
            yield Finding(Mark.GOOD, SUBJECT, "can be stored, read and deleted")
        else:
            yield Finding(Mark.BAD, SUBJECT, "are not read as they were stored")

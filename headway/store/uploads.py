"""The records of uploads: whose they are, and which tasks use them; the files lie elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from headway.files.upload import is_upload_id
from headway.snapshot import fragment
from headway.store import damaged
from headway.store.files import TaskFile, file_of
from headway.store.functions import Functions
from headway.store.upload_parts import UploadParts


class StoredUpload(NamedTuple):
    """An upload as it is kept: whose it is ("" nobody's), and its file."""

    id: str
    owner: str
    file: TaskFile


class UploadRecords:
    """Notes uploads, and keeps them while a task uses them."""

    def __init__(self, functions: Functions, ttl: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl
        self.parts = UploadParts(functions)

    def reserve(
        self, upload_id: str, size: int, seconds: float, accounts: Mapping[str, int]
    ) -> bool:
        """Make room for so many bytes in accounts, for a while; False if one of them is full.

        `accounts` is how many bytes may be kept of each, by its name.
        """
        return bool(self._note(upload_id, "", size, "", "about", seconds, accounts))

    def note(
        self,
        upload_id: str,
        owner: str,
        file: Mapping[str, str | int],
        seconds: float,
        accounts: Mapping[str, int],
    ) -> TaskFile | None:
        """Note an upload that is kept for `seconds` at least; None if an account is full.

        `file` is what a TaskFile says, except for the time.
        """
        return self._note_file(upload_id, owner, file, "about", seconds, accounts)

    def begin(
        self,
        upload_id: str,
        owner: str,
        file: Mapping[str, str | int],
        seconds: float,
        accounts: Mapping[str, int],
    ) -> TaskFile | None:
        """Note an upload that is to come in pieces, as `note` does one that is whole."""
        return self._note_file(upload_id, owner, file, "begun", seconds, accounts)

    def finish(
        self, upload_id: str, file: Mapping[str, str | int], seconds: float
    ) -> TaskFile | None:
        """Note that an upload which was begun is whole; None if it is not kept."""
        args = [fragment(file), int(seconds * 1000)]
        return file_of(self._functions.call("finish_upload", [self._keys.upload(upload_id)], args))

    def begun(self, upload_id: str) -> StoredUpload | None:
        """Return an upload that is coming in pieces; None if it is whole, or not kept."""
        return self._read(upload_id, "begun")

    def prolong(self, upload_id: str, seconds: float) -> None:
        """Keep an upload for `seconds` at least."""
        key = self._keys.upload(upload_id)
        self._functions.client.pexpire(key, int(seconds * 1000), gt=True)

    def seconds_left(self, upload_id: str) -> float:
        """Return for how many more seconds an upload is kept, 0 if it is not."""
        left: int = self._functions.client.pttl(self._keys.upload(upload_id))
        return max(0, left) / 1000

    def drop(self, upload_id: str) -> bool:
        """Forget an upload; False, and it is kept, if a task uses it."""
        return bool(self._functions.call("drop_upload", [self._keys.upload(upload_id)], []))

    def release(self, upload_id: str, accounts: Mapping[str, int]) -> None:
        """Give back the room of an upload that has not come."""
        for account in accounts:
            self._functions.client.hdel(self._keys.uploaded(account), upload_id)

    def of(self, task_id: str) -> list[str]:
        """Return the ids of the uploads that a task uses, as its record names them."""
        key = self._keys.record(task_id)
        names = damaged.unless_damaged(None, self._functions.client.hget, key, "uploads")
        return [one for one in str(names or "").split() if is_upload_id(one)]

    def read(self, upload_ids: Sequence[str]) -> list[StoredUpload | None]:
        """Return uploads, None for each one that is not kept."""
        return [self._read(upload_id) for upload_id in upload_ids]

    def hold(self, upload_id: str, task_id: str) -> TaskFile | None:
        """Keep an upload while a task is kept; return its file, None if it is not kept."""
        keys = [self._keys.record(task_id), self._keys.upload(upload_id)]
        return file_of(self._functions.call("hold_upload", keys, [task_id, upload_id, self._ttl]))

    def keep(self, upload_id: str) -> TaskFile | None:
        """Keep an upload while tasks that use it are; return its file, None if it is not kept.

        That of one which has begun to come may be shorter than it will be.
        """
        return file_of(self._functions.call("keep_upload", [self._keys.upload(upload_id)], []))

    def _note_file(
        self,
        upload_id: str,
        owner: str,
        file: Mapping[str, str | int],
        field: Literal["about", "begun"],
        seconds: float,
        accounts: Mapping[str, int],
    ) -> TaskFile | None:
        size = int(file["size"])
        noted = fragment(file)
        return file_of(self._note(upload_id, owner, size, noted, field, seconds, accounts))

    def _note(
        self,
        upload_id: str,
        owner: str,
        size: int,
        about: str,
        field: Literal["about", "begun"],
        seconds: float,
        accounts: Mapping[str, int],
    ) -> str:
        keys = [self._keys.upload(upload_id), *map(self._keys.uploaded, accounts)]
        ms = int(seconds * 1000)
        args = [upload_id, owner, size, about, field, ms, *accounts.values()]
        return str(self._functions.call("note_upload", keys, args))

    def _read(
        self, upload_id: str, field: Literal["about", "begun"] = "about"
    ) -> StoredUpload | None:
        client = self._functions.client
        key = self._keys.upload(upload_id)
        owner, about = damaged.unless_damaged((None, None), client.hmget, key, "owner", field)
        file = file_of(str(about or ""))
        return StoredUpload(upload_id, str(owner or ""), file) if file else None

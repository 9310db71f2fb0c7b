"""What is noted of the parts of uploads that come in pieces, where they lie in a bucket."""

from __future__ import annotations

from headway.store import damaged
from headway.store.functions import Functions


class UploadParts:
    """Notes parts in the records of uploads, for one of several processes at a time."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def read(self, upload_id: str) -> str | None:
        """Return what is noted, "" for nothing yet, None if the upload is whole or not kept."""
        client = self._functions.client
        key = self._keys.upload(upload_id)
        begun, parts = damaged.unless_damaged((None, None), client.hmget, key, "begun", "parts")
        return str(parts or "") if begun else None

    def replace(self, upload_id: str, before: str, after: str) -> bool:
        """Note `after`, if `before` is noted, or `after` already; return whether it is now."""
        keys = [self._keys.upload(upload_id)]
        return bool(self._functions.call("note_parts", keys, [before, after]))

    def take_number(self, upload_id: str) -> int:
        """Return a number for a part, each greater than those before; 0 as `read` returns None."""
        return int(self._functions.call("take_part_number", [self._keys.upload(upload_id)], []))

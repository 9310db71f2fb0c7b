"""Appends to a file in a bucket: in parts, each noted in Redis once it is stored.

S3 takes parts of at least 5 MiB, except for the last one. What comes after the last whole part is
kept as an object of its own, the tail, and goes into the next part. Of two requests that add to one
file at the same time one notes its part, and the other learns that the file has moved on: a number
of a part is never used twice, so neither overwrites what the other has stored.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import NamedTuple
from uuid import uuid4

from headway import strict_json
from headway.files.bucket.objects import Objects
from headway.files.store import FilesAway, Moved, PartNotes

logger = logging.getLogger(__name__)

MIN_PART_BYTES = 5 * 1024 * 1024  # S3's limit
MAX_PARTS = 10_000  # S3's limit
# Half of the numbers are left for parts that were stored and not noted.
PLANNED_PARTS = MAX_PARTS // 2


class Parts(NamedTuple):
    """What is noted: the bytes of the file, and where they lie.

    `upload` is S3's id of the multipart upload, "" before the first part; `joined` has the number
    and the ETag of each part; `tail` is the name of the object with what no part has yet, or "".
    """

    offset: int = 0
    upload: str = ""
    joined: tuple[tuple[int, str], ...] = ()
    tail: str = ""

    @property
    def text(self) -> str:
        """This as it is noted."""
        return json.dumps([*self]) if self.offset else ""

    @classmethod
    def of(cls, text: str) -> Parts | None:
        """Return what a text notes; None for a damaged one, after which nothing can go on."""
        if not text:
            return cls()
        try:
            offset, upload, joined, tail = strict_json.parse(text)
            pairs = tuple((int(number), str(etag)) for number, etag in joined)
            return cls(int(offset), str(upload), pairs, str(tail))
        except (TypeError, ValueError):
            logger.warning("What is noted of an upload's parts is damaged: %.80s", text)
            return None


def part_bytes(size: int) -> int:
    """Return how large each part but the last is, of a file of this size."""
    return max(MIN_PART_BYTES, -(-size // PLANNED_PARTS))


class Addition:
    """What one request adds to a file: at most a part of it in memory."""

    def __init__(
        self, objects: Objects, notes: PartNotes, upload_id: str, name: str, size: int, at: int
    ) -> None:
        """Go on from the byte `at`; the object `name` will have `size` bytes.

        Raises Moved, FileNotFoundError, FilesAway.
        """
        self._objects = objects
        self._notes = notes
        self._upload_id = upload_id
        self._name = name
        self._size = size
        self._part_bytes = part_bytes(size)
        self._parts = self._noted()
        if self._parts.offset != at:
            raise Moved(f"This file has {self._parts.offset} bytes, not {at}.")
        self.offset = at
        self._pending = bytearray(self._tail())

    def add(self, piece: bytes) -> None:
        """Add bytes, and store those that fill a part. Raises Moved, OSError, RedisUnavailable."""
        self._pending += piece
        self.offset += len(piece)
        while len(self._pending) >= self._part_bytes:
            self._put_part(self._part_bytes)

    def settle(self) -> None:
        """Store what has come since the last part, as the last part or the tail. Raises as add."""
        if self.offset == self._parts.offset:
            return
        if self.offset == self._size:
            self._put_part(len(self._pending))
        else:
            self._put_tail()

    def _noted(self) -> Parts:
        text = self._notes.read(self._upload_id)
        parts = None if text is None else Parts.of(text)
        if parts is None:
            raise FileNotFoundError("This upload is not kept.")
        return parts

    def _tail(self) -> bytes:
        parts = self._parts
        if not parts.tail:
            return b""
        try:
            size = parts.offset - len(parts.joined) * self._part_bytes
            return self._objects.get(parts.tail, 0, size)
        except FileNotFoundError:
            if self._noted() != parts:
                raise Moved("Another request has added to this file.") from None
            raise

    def _put_part(self, size: int) -> None:
        upload = self._parts.upload or self._objects.begin_parts(self._name)
        try:
            number = self._notes.take_number(self._upload_id)
            if not number:
                raise FileNotFoundError("This upload is not kept.")
            if number > MAX_PARTS:
                raise FilesAway("This file has come in too many pieces.")
            data = bytes(self._pending[:size])
            etag = self._objects.put_part(self._name, upload, number, data)
            offset = len(self._parts.joined) * self._part_bytes + size
            self._note(Parts(offset, upload, (*self._parts.joined, (number, etag))))
        except (OSError, Moved):
            if upload != self._parts.upload:
                with suppress(OSError):
                    self._objects.drop_parts(self._name, upload)
            raise
        del self._pending[:size]

    def _put_tail(self) -> None:
        tail = f"{self._name}.{uuid4().hex}"
        self._objects.put(tail, bytes(self._pending))
        try:
            self._note(self._parts._replace(offset=self.offset, tail=tail))
        except (OSError, Moved):
            with suppress(OSError):
                self._objects.delete(tail)
            raise

    def _note(self, parts: Parts) -> None:
        """Note what is stored, in the place of what this has found noted. Raises Moved."""
        former = self._parts
        if not self._notes.replace(self._upload_id, former.text, parts.text):
            self._noted()  # is it gone?
            raise Moved("Another request has added to this file.")
        self._parts = parts
        if former.tail:
            with suppress(OSError):  # maintenance deletes it
                self._objects.delete(former.tail)

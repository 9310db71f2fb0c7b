"""Reads a file in a bucket from anywhere, a block at a time: in bounded memory, as slowly as asked.

No connection stays open between two blocks, so the storage cannot end it on a slow reader.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from headway.files.bucket.objects import Objects

FIRST_BLOCK_BYTES = 64 * 1024  # for those who read only how a file begins
BLOCK_BYTES = 1024 * 1024


class Segment(NamedTuple):
    """An object that holds a file from the byte `start` on, `size` bytes of it, more than none."""

    name: str
    start: int
    size: int


class BucketFile(io.RawIOBase):
    """A file that lies in one object, or in several one after the other."""

    def __init__(self, objects: Objects, segments: Sequence[Segment]) -> None:
        super().__init__()
        self._objects = objects
        self._segments = segments
        self._size = sum(one.size for one in segments)
        self._at = 0
        self._block = b""
        self._block_at = 0
        self._next_bytes = FIRST_BLOCK_BYTES

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, without reading anything."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("A file has no byte before its first one.")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return which byte is read next."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what there is of the present block. Raises OSError."""
        if self._at >= self._size:
            return 0
        skip = self._at - self._block_at
        if not 0 <= skip < len(self._block):
            self._read_block()
            skip = 0
        data = self._block[skip : skip + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read_block(self) -> None:
        [segment] = [one for one in self._segments if 0 <= self._at - one.start < one.size]
        skip = self._at - segment.start
        size = min(self._next_bytes, segment.size - skip)
        self._block = self._objects.get(segment.name, skip, size)
        self._block_at = self._at
        self._next_bytes = min(2 * self._next_bytes, BLOCK_BYTES)

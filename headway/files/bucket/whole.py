"""Writes an object whose bytes come one after the other, with one part of it in memory."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from headway.files.bucket.objects import Objects
from headway.files.bucket.parts import part_bytes
from headway.files.store import Measured


def write_whole(
    objects: Objects, name: str, pieces: Iterable[bytes], max_bytes: int
) -> tuple[int, bytes]:
    """Write an object; return its size and how it begins. Nothing is left of it where this raises.

    Raises TooLarge, OSError, and what the pieces raise.
    """
    writing = _Writing(objects, name, part_bytes(max_bytes))
    measured = Measured(pieces, max_bytes)
    try:
        for piece in measured:
            writing.add(piece)
        writing.end()
    except BaseException:
        with suppress(OSError):  # maintenance deletes what is left
            writing.undo()
        raise
    return measured.size, measured.head


class _Writing:
    def __init__(self, objects: Objects, name: str, part: int) -> None:
        self._objects = objects
        self._name = name
        self._part = part
        self._pending = bytearray()
        self._upload = ""  # S3's id, once there is more than a part
        self._joined: list[tuple[int, str]] = []

    def add(self, piece: bytes) -> None:
        self._pending += piece
        while len(self._pending) > self._part:
            self._upload = self._upload or self._objects.begin_parts(self._name)
            self._put(self._part)

    def end(self) -> None:
        if not self._upload:
            self._objects.put(self._name, bytes(self._pending))
            return
        self._put(len(self._pending))
        self._objects.join_parts(self._name, self._upload, self._joined)

    def undo(self) -> None:
        if self._upload:
            with suppress(FileNotFoundError):  # they are joined
                self._objects.drop_parts(self._name, self._upload)
        self._objects.delete(self._name)

    def _put(self, size: int) -> None:
        number = len(self._joined) + 1
        data = bytes(self._pending[:size])
        etag = self._objects.put_part(self._name, self._upload, number, data)
        self._joined.append((number, etag))
        del self._pending[:size]

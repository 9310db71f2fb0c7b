"""Files in a bucket: each an object below its task's, or its upload's, id."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import BinaryIO
from uuid import uuid4

from headway.files.bucket.address import Address
from headway.files.bucket.growing import GrowingBucketFile, segment_name
from headway.files.bucket.objects import Found, Objects, OpenParts
from headway.files.bucket.parts import Addition, Parts
from headway.files.bucket.reading import BucketFile, Segment
from headway.files.bucket.whole import write_whole
from headway.files.store import (
    KEY,
    KeysOf,
    Kind,
    PartNotes,
    StoredFile,
    TooLarge,
    check_ids,
    root_of,
)

# What may be deleted here: files, and of those that grow segments and tails.
OWN = re.compile(rf"({KEY.pattern})(\.[0-9]{{15}}|\.{KEY.pattern})?")
# S3 does not say when the last part of a multipart upload came, only when it was begun.
PARTS_GRACE_SECONDS = 24 * 3600.0
BUFFER_BYTES = 64 * 1024


class FileBucket:
    """Keeps files in a bucket; see FileStore. `notes` says of those that are appended to."""

    def __init__(
        self, address: Address, prefix: str, notes: PartNotes, kind: Kind = "tasks"
    ) -> None:
        """`prefix` is that of the project's keys: projects with different ones may share it."""
        self._objects = Objects(address)
        self._root = f"{root_of(prefix, kind)}/"
        self._notes = notes

    def store(self, task_id: str, pieces: Iterable[bytes], max_bytes: int) -> StoredFile:
        """Store what the pieces hold together."""
        key = uuid4().hex
        return StoredFile(
            key, *write_whole(self._objects, self._name(task_id, key), pieces, max_bytes)
        )

    def begin(self, task_id: str) -> GrowingBucketFile:
        """Begin a file that this process alone writes, as it grows."""
        key = uuid4().hex
        return GrowingBucketFile(self._objects, self._name(task_id, key), key)

    def create(self, task_id: str) -> str:
        """Return a key for `append`; nothing lies there before the first byte."""
        check_ids(task_id)
        return uuid4().hex

    def append(
        self, task_id: str, key: str, at: int, pieces: Iterable[bytes], max_bytes: int
    ) -> int:
        """Append the pieces to a file that has `at` bytes; return how many it has then."""
        name = self._name(task_id, key)
        addition = Addition(self._objects, self._notes, task_id, name, max_bytes, at)
        for piece in _settled(pieces, addition):
            if addition.offset + len(piece) > max_bytes:
                addition.settle()
                raise TooLarge(f"This file may have {max_bytes} bytes.")
            addition.add(piece)
        addition.settle()
        return addition.offset

    def size(self, task_id: str, key: str) -> int | None:
        """Return how many bytes a file that is appended to has, None if it is gone."""
        check_ids(task_id, key)
        parts = self._parts(task_id)
        return parts.offset if parts else None

    def seal(self, task_id: str, key: str) -> None:
        """Join the parts of a file to which all is appended."""
        name = self._name(task_id, key)
        parts = self._parts(task_id)
        if parts is None:
            return
        if not parts.joined:
            self._objects.put(name, b"")
            return
        with suppress(FileNotFoundError):  # another process has just joined them
            self._objects.join_parts(name, parts.upload, parts.joined)

    def open(self, task_id: str, key: str) -> BinaryIO | None:
        """Open a file, also one that grows: then what it has now."""
        name = self._name(task_id, key)
        found = {one.name: one for one in self._objects.listed(name)}
        segments = _segments(name, found)
        if name not in found and not segments:
            return None
        return io.BufferedReader(BucketFile(self._objects, segments), BUFFER_BYTES)

    def delete(self, task_id: str, key: str) -> None:
        """Delete a file, if it is there."""
        self._delete(self._name(task_id, key))

    def delete_all(self, task_id: str) -> None:
        """Delete all files of a task, and what has come of those that are not whole."""
        self._delete(f"{self._name(task_id)}/")

    def sweep(self, keys_of: KeysOf, grace: float) -> Iterator[None]:
        """Delete the files whose keys no task has, but those that changed `grace` seconds ago.

        All objects are listed a thousand at a time, which costs less than to ask for each task.
        """
        now = time.time()
        for task_id, found in groupby(self._objects.listed(self._root), self._task_id):
            keys = keys_of(task_id)  # of new ones too: it keeps the record of an upload in use
            if old := [one for one in found if one.at <= now - grace]:
                parts = self._parts(task_id)
                for one in old:
                    if self._is_unused(one.name, keys, parts):
                        self._objects.delete(one.name)
            yield
        for begun in self._objects.open_parts(self._root):
            if begun.at <= now - PARTS_GRACE_SECONDS:
                parts = self._parts(self._task_id(begun))
                if parts is None or parts.upload != begun.upload:
                    self._drop(begun)
            yield

    def _is_unused(self, name: str, keys: set[str], parts: Parts | None) -> bool:
        own = OWN.fullmatch(name.rpartition("/")[2])
        if own is None:
            return False
        key, rest = own.groups()
        is_tail = rest is not None and KEY.fullmatch(rest[1:]) is not None
        return key not in keys or (is_tail and (parts is None or parts.tail != name))

    def _parts(self, task_id: str) -> Parts | None:
        """Return what is noted of a file that is appended to, None if it is not or cannot be."""
        text = self._notes.read(task_id)
        return None if text is None else Parts.of(text)

    def _delete(self, prefix: str) -> None:
        for one in self._objects.listed(prefix):
            self._objects.delete(one.name)
        for begun in self._objects.open_parts(prefix):
            self._drop(begun)

    def _drop(self, begun: OpenParts) -> None:
        with suppress(FileNotFoundError):  # it is joined by now
            self._objects.drop_parts(begun.name, begun.upload)

    def _name(self, task_id: str, key: str = "") -> str:
        """Return the name of an object, or of all of a task's. Raises ValueError for no id."""
        check_ids(task_id, key)
        return f"{self._root}{task_id}/{key}".rstrip("/")

    def _task_id(self, found: Found | OpenParts) -> str:
        return found.name.removeprefix(self._root).partition("/")[0]


def _settled(pieces: Iterable[bytes], addition: Addition) -> Iterator[bytes]:
    """Yield the pieces; where they raise, what came before is stored first."""
    try:
        yield from pieces
    except Exception:
        addition.settle()
        raise


def _segments(name: str, found: dict[str, Found]) -> list[Segment]:
    """Return which objects hold a file: the one of its name, else its segments to the first gap."""
    if whole := found.get(name):
        return [Segment(name, 0, whole.size)] if whole.size else []
    segments = []
    start = 0
    while one := found.get(segment_name(name, start)):
        segments.append(Segment(one.name, start, one.size))
        start += one.size
    return segments

"""The interface of a store of files, which a folder and a bucket implement.

A file belongs to a task, or to an upload, and lies there under a random key: no name that a task or
a person has chosen is ever a part of where it lies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import BinaryIO, Literal, NamedTuple, Protocol, TypeAlias

from headway.files.types import HEAD_BYTES

KEY = re.compile(r"[0-9a-f]{32}")
TASK_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}")
Kind: TypeAlias = Literal["tasks", "uploads"]  # whose files a store is for
# Returns the keys of the files that a task, or an upload, has by its record.
KeysOf: TypeAlias = Callable[[str], set[str]]


class TooLarge(ValueError):
    """A file is larger than files may be."""


class Moved(ValueError):
    """A file that grows has another size than the one from which it was to go on."""


class Busy(OSError):
    """Another process is just writing to the file."""


class FilesAway(OSError):
    """The files cannot be reached now; the message says why, and holds no secret."""


class StoredFile(NamedTuple):
    """A file as it was stored: the key it is kept under, its size in bytes and how it begins."""

    key: str
    size: int
    head: bytes


class Measured:
    """The pieces of a file as they come: their size so far, and how they begin."""

    def __init__(self, pieces: Iterable[bytes], max_bytes: int) -> None:
        self._pieces = pieces
        self._max_bytes = max_bytes
        self.size = 0
        self.head = b""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces. Raises TooLarge beyond `max_bytes`."""
        for piece in self._pieces:
            self.size += len(piece)
            if self.size > self._max_bytes:
                raise TooLarge(f"A file here may have {self._max_bytes} bytes.")
            self.head += piece[: HEAD_BYTES - len(self.head)]
            yield piece


class GrowingFile(Protocol):
    """A file that one process writes, piece by piece, while others read what is there."""

    key: str

    def write(self, data: bytes, /) -> None:
        """Add to the file. Raises OSError."""

    def sync(self) -> None:
        """Have all that was written be read, also after a power cut. Raises OSError."""

    def close(self) -> None:
        """Write no more; what was not synced may be lost."""


class FileStore(Protocol):
    """Keeps files by task and key; with the kind "uploads" the ids are those of uploads.

    Each method raises OSError where the files cannot be reached or written, ValueError for what is
    no id.
    """

    def store(self, task_id: str, pieces: Iterable[bytes], max_bytes: int) -> StoredFile:
        """Store what the pieces hold together.

        Raises TooLarge beyond `max_bytes`, and what the pieces raise; nothing is left of it then.
        """

    def begin(self, task_id: str) -> GrowingFile:
        """Begin a file that this process alone writes, as it grows."""

    def create(self, task_id: str) -> str:
        """Make an empty file for `append`, which many processes may call; return its key."""

    def append(
        self, task_id: str, key: str, at: int, pieces: Iterable[bytes], max_bytes: int
    ) -> int:
        """Append the pieces to a file that has `at` bytes; return how many it has then.

        It will have `max_bytes` when it is whole. Raises Moved where the file has another size,
        Busy where another writes at that moment, FileNotFoundError if it is gone, TooLarge beyond
        `max_bytes`, and what the pieces raise. What was written before that stays.
        """

    def size(self, task_id: str, key: str) -> int | None:
        """Return how many bytes a file that is appended to has, None if it is gone."""

    def seal(self, task_id: str, key: str) -> None:
        """Have a file be opened to which all is appended; again does no harm."""

    def open(self, task_id: str, key: str) -> BinaryIO | None:
        """Open a file for reading and seeking; None if it does not exist or cannot be read."""

    def delete(self, task_id: str, key: str) -> None:
        """Delete a file, if it is there."""

    def delete_all(self, task_id: str) -> None:
        """Delete all files of a task."""

    def sweep(self, keys_of: KeysOf, grace: float) -> Iterator[None]:
        """Delete the files whose keys no task has, but those that changed `grace` seconds ago.

        Calls `keys_of` for each task that has files, and yields after it. Raises what that does.
        """


class PartNotes(Protocol):
    """What is noted of the parts of uploads, as text; it goes with the upload's record."""

    def read(self, upload_id: str) -> str | None:
        """Return what is noted, "" for nothing yet, None if the upload is whole or not kept."""

    def replace(self, upload_id: str, before: str, after: str) -> bool:
        """Note `after`, if `before` is noted, or `after` already; return whether it is now."""

    def take_number(self, upload_id: str) -> int:
        """Return a number for a part, each greater than those before; 0 as `read` returns None."""


def size_of(file: BinaryIO) -> int:
    """Return the size in bytes of an open file, which is read from its beginning then."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def root_of(prefix: str, kind: Kind) -> str:
    """Return the name below which a project's files lie; `prefix` is that of its keys in Redis."""
    return f"{kind}-{sha256(prefix.encode()).hexdigest()[:8]}"


def check_ids(task_id: str, key: str = "") -> None:
    """Raise ValueError for what is no id of a task, or no key."""
    if not TASK_ID.fullmatch(task_id) or (key and not KEY.fullmatch(key)):
        raise ValueError(f"A task with the id {task_id!r} can have no files.")

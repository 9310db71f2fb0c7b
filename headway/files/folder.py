"""The folder of files: those that tasks give out, and those that people upload for tasks.

A file lies in a folder of its task, or of its upload, under a random key: no name that a task or a
person has chosen is ever a part of a path. Only this process's user may read it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias
from uuid import uuid4

from headway import settings
from headway.files.types import HEAD_BYTES

logger = logging.getLogger(__name__)

KEY = re.compile(r"[0-9a-f]{32}")
OWN = re.compile(rf"{KEY.pattern}(\.part)?")  # what may be deleted here
TASK_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}")
Kind: TypeAlias = Literal["tasks", "uploads"]  # whose files a folder is for
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
# No link is followed, and opening a pipe that somebody has put there does not wait.
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class TooLarge(ValueError):
    """A file is larger than files may be."""


class Moved(ValueError):
    """A file that grows has another size than the one from which it was to go on."""


class Busy(OSError):
    """Another process is just writing to the file."""


class StoredFile(NamedTuple):
    """A file as it was stored: the key it is kept under, its size in bytes and how it begins."""

    key: str
    size: int
    head: bytes


class FileFolder:
    """Keeps files by task and key in a folder, which it makes when it stores the first one.

    With the kind "uploads" the ids are those of uploads in the place of tasks.
    """

    def __init__(self, folder: Path, prefix: str, kind: Kind = "tasks") -> None:
        """`prefix` is that of the project's keys: projects with different ones may share it."""
        self._folder = folder
        self._root = folder / f"{kind}-{sha256(prefix.encode()).hexdigest()[:8]}"

    def store(self, task_id: str, pieces: Iterable[bytes], max_bytes: int) -> StoredFile:
        """Store what the pieces hold together.

        Raises TooLarge beyond `max_bytes`, OSError where the folder cannot be written; nothing is
        left of it then.
        """
        folder = self._make(task_id)
        key = uuid4().hex
        part = folder / f"{key}.part"
        try:
            size, head = _write(part, pieces, max_bytes)
            part.rename(folder / key)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return StoredFile(key, size, head)

    def begin(self, task_id: str) -> tuple[str, BinaryIO]:
        """Begin a file that grows; return its key, and the file open to be written unbuffered.

        Raises OSError where the folder cannot be written.
        """
        key = uuid4().hex
        descriptor = os.open(self._make(task_id) / key, CREATE, PRIVATE_FILE)
        return key, os.fdopen(descriptor, "wb", buffering=0)

    def create(self, task_id: str) -> str:
        """Create an empty file, for `append`, and return its key. Raises OSError as `begin`."""
        key, file = self.begin(task_id)
        file.close()
        return key

    def append(
        self, task_id: str, key: str, at: int, pieces: Iterable[bytes], max_bytes: int
    ) -> int:
        """Append the pieces to a file that has `at` bytes; return how many it has then.

        Each piece is written as it comes, and only if nobody else has appended to the file since
        the one before. Raises Moved where the file has another size, Busy where another writes at
        that moment, FileNotFoundError if it is gone, TooLarge beyond `max_bytes`, OSError, and what
        the pieces raise. What was written before that stays.
        """
        with os.fdopen(os.open(self._path(task_id, key), APPEND), "ab", buffering=0) as file:
            _append(file, at, b"", max_bytes)
            try:
                for piece in pieces:
                    _append(file, at, piece, max_bytes)
                    at += len(piece)
            finally:
                os.fsync(file.fileno())
        return at

    def size(self, task_id: str, key: str) -> int | None:
        """Return how many bytes a file has, None if the file is gone."""
        try:
            return self._path(task_id, key).lstat().st_size
        except FileNotFoundError:
            return None

    def open(self, task_id: str, key: str) -> BinaryIO | None:
        """Open a stored file; None where there is none that this process can read."""
        try:
            descriptor = os.open(self._path(task_id, key), READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("A file of %s cannot be read: %s", task_id, error)
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb")

    def delete(self, task_id: str, key: str) -> None:
        """Delete a file, if it is there."""
        self._path(task_id, key).unlink(missing_ok=True)

    def task_ids(self) -> Iterator[str]:
        """Yield the tasks of which there is a folder, in no order."""
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in entries:
                if TASK_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    yield entry.name

    def keep(self, task_id: str, keys: Collection[str], grace: float = 0.0) -> None:
        """Delete a task's files but these, and those that changed in the last `grace` seconds."""
        folder = self._path(task_id)
        with suppress(FileNotFoundError, NotADirectoryError):
            is_folder_old = _is_old(folder, grace)
            for path in folder.iterdir():
                is_own = OWN.fullmatch(path.name)
                if is_own and path.name not in keys and _is_old(path, grace):
                    path.unlink(missing_ok=True)
            if is_folder_old and not keys:
                with suppress(OSError):  # there is more in it
                    folder.rmdir()

    def _make(self, task_id: str) -> Path:
        """Return the folder of a task's files, which is there then."""
        folder = self._path(task_id)
        self._folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._root.mkdir(PRIVATE_FOLDER, exist_ok=True)
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        return folder

    def _path(self, task_id: str, key: str = "") -> Path:
        """Return where a task's files lie, or one of them. Raises ValueError for what is no id."""
        if not TASK_ID.fullmatch(task_id) or (key and not KEY.fullmatch(key)):
            raise ValueError(f"A task with the id {task_id!r} can have no files.")
        return self._root / task_id / key


def file_folder(conf: Mapping[str, Any], prefix: str, kind: Kind = "tasks") -> FileFolder | None:
    """Return the folder of a Celery app's settings, None if none is set."""
    folder = settings.FILES.read(conf)
    return FileFolder(Path(folder).expanduser(), prefix, kind) if folder else None


def _is_old(path: Path, grace: float) -> bool:
    return not grace or time.time() - path.lstat().st_mtime >= grace


def _write(path: Path, pieces: Iterable[bytes], max_bytes: int) -> tuple[int, bytes]:
    """Write a new file; return its size and how it begins."""
    size = 0
    head = b""
    descriptor = os.open(path, CREATE, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as out:
        for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise TooLarge(f"A file here may have {max_bytes} bytes.")
            head += piece[: HEAD_BYTES - len(head)]
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())  # what the record names is there, also after a power cut
    return size, head


def _append(file: Any, at: int, piece: bytes, max_bytes: int) -> None:
    """Append a piece to an unbuffered file that has `at` bytes. Raises as `FileFolder.append`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which a process that dies lets go
    except BlockingIOError:
        raise Busy("Another process writes to this file.") from None
    try:
        found = os.fstat(file.fileno())
        if not found.st_nlink:
            raise FileNotFoundError("This file has been deleted.")
        if found.st_size != at:
            raise Moved(f"This file has {found.st_size} bytes, not {at}.")
        if at + len(piece) > max_bytes:
            raise TooLarge(f"This file may have {max_bytes} bytes.")
        left = memoryview(piece)
        while left:
            left = left[file.write(left) :]
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)

"""Files in a folder: each in a folder of its task, or of its upload, for this user alone."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from headway.files.store import (
    KEY,
    TASK_ID,
    Busy,
    KeysOf,
    Kind,
    Measured,
    Moved,
    StoredFile,
    TooLarge,
    check_ids,
    root_of,
)

logger = logging.getLogger(__name__)

OWN = re.compile(rf"{KEY.pattern}(\.part)?")  # what may be deleted here
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
# No link is followed, and opening a pipe that somebody has put there does not wait.
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class GrowingFolderFile:
    """A file in a folder as it grows, written unbuffered: others read it at once."""

    def __init__(self, key: str, file: BinaryIO) -> None:
        self.key = key
        self._file = file

    def write(self, data: bytes) -> None:
        """Add to the file."""
        left = memoryview(data)
        while left:  # a disk that is just full takes a part, and refuses the rest
            left = left[self._file.write(left) :]

    def sync(self) -> None:
        """Have the file survive a power cut."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FileFolder:
    """Keeps files in a folder, which it makes when it stores the first one; see FileStore."""

    def __init__(self, folder: Path, prefix: str, kind: Kind = "tasks") -> None:
        """`prefix` is that of the project's keys: projects with different ones may share it."""
        self._folder = folder
        self._root = folder / root_of(prefix, kind)

    def store(self, task_id: str, pieces: Iterable[bytes], max_bytes: int) -> StoredFile:
        """Store what the pieces hold together."""
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

    def begin(self, task_id: str) -> GrowingFolderFile:
        """Begin a file that grows."""
        key = uuid4().hex
        descriptor = os.open(self._make(task_id) / key, CREATE, PRIVATE_FILE)
        return GrowingFolderFile(key, os.fdopen(descriptor, "wb", buffering=0))

    def create(self, task_id: str) -> str:
        """Create an empty file, for `append`, and return its key."""
        file = self.begin(task_id)
        file.close()
        return file.key

    def append(
        self, task_id: str, key: str, at: int, pieces: Iterable[bytes], max_bytes: int
    ) -> int:
        """Append the pieces to a file that has `at` bytes; return how many it has then.

        Each piece is written as it comes, and only if nobody else has appended to the file since
        the one before.
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

    def seal(self, task_id: str, key: str) -> None:
        """Do nothing: what is appended can be read at once."""

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

    def delete_all(self, task_id: str) -> None:
        """Delete all files of a task."""
        self._keep(task_id, (), 0.0)

    def sweep(self, keys_of: KeysOf, grace: float) -> Iterator[None]:
        """Delete the files whose keys no task has, but those that changed `grace` seconds ago."""
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in entries:
                if TASK_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    keys = keys_of(entry.name)
                    try:
                        self._keep(entry.name, keys, grace)
                    except OSError as error:  # as of a folder that another user has put there
                        logger.warning("Files of %s are not deleted: %s", entry.name, error)
                    yield

    def _keep(self, task_id: str, keys: Collection[str], grace: float) -> None:
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
        check_ids(task_id, key)
        return self._root / task_id / key


def _is_old(path: Path, grace: float) -> bool:
    return not grace or time.time() - path.lstat().st_mtime >= grace


def _write(path: Path, pieces: Iterable[bytes], max_bytes: int) -> tuple[int, bytes]:
    """Write a new file; return its size and how it begins."""
    measured = Measured(pieces, max_bytes)
    descriptor = os.open(path, CREATE, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as out:
        out.writelines(measured)
        out.flush()
        os.fsync(out.fileno())  # what the record names is there, also after a power cut
    return measured.size, measured.head


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

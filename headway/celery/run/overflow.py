"""Keeps the whole text of a stream in a file of its task, once the stream is full."""

from __future__ import annotations

import logging
from contextlib import suppress

from headway import settings
from headway.celery.run.files import NO_PLACE, TOO_MANY, delete_file, note
from headway.celery.run.runs import Run
from headway.exceptions import ConfigError
from headway.files.place import file_store
from headway.files.store import GrowingFile, StoredFile
from headway.files.types import HEAD_BYTES, media_type
from headway.store.files import noted
from headway.store.model import Outcome
from headway.store.output import Overflowing

logger = logging.getLogger(__name__)

GAP = "\n[{:,} bytes or more are missing here: the file of the run before does not have them.]\n"
END = "\n[This file ends here: its limit is {:,} bytes.]\n"
PIECE_BYTES = 1024 * 1024


class Overflow:
    """The whole text of a stream: in memory until the stream is full, then in a file of its task.

    A run that resumes the task begins a file of its own with the saved text: the run before may
    still be writing to its file.
    """

    def __init__(self, run: Run, stream: str, saved: int | None) -> None:
        """`saved` is how many bytes the file had at the last save, None if there was none.

        Raises ConfigError without a place for files.
        """
        self._run = run
        self._stream = stream
        self._named = (stream, run.task_id)
        self.file_name = f"{stream}.txt"
        self._backend = run.task.backend
        conf = self._backend.app.conf
        store = file_store(conf, self._backend.records)
        if store is None:
            raise ConfigError(NO_PLACE)
        self._store = store
        self._max_bytes = int(settings.FILE_MAX_BYTES.read(conf))
        self._saved = saved
        self.has_begun = False
        self._early = bytearray()  # the text, until there is a file
        self._file: GrowingFile | None = None
        self._key = ""
        self._head = b""
        self._is_full = False
        self._noted: int | None = None  # the size that the record knows
        self._may_be_noted = False
        self._has_failed = False
        # Whether the stream's state in the record is 'spilled': from the beginning if an earlier
        # run has saved a file.
        self.is_named = saved is not None
        self.size = 0  # bytes of the file, or those that it should have after a failure

    def begin(self) -> None:
        """Take over what earlier runs have written, once. Raises RedisUnavailable, OSError."""
        if self.has_begun:
            return
        records = self._backend.records
        task_id = self._run.task_id
        found = records.queries.read_streams(task_id, {}, only=self._stream).get(self._stream)
        former = [one for one in records.files.of(task_id) if one.name == self.file_name]
        self._early += found["text"].encode() if found else b""
        self.has_begun = True
        if self._saved is None:
            return
        opened = self._store.open(task_id, former[0].key) if former else None
        if opened is None:
            self._early += GAP.format(max(0, self._saved - len(self._early))).encode()
            self.spill()
            return
        with opened:
            self._early.clear()
            self.spill()
            left = self._saved
            while left and (piece := opened.read(min(left, PIECE_BYTES))):
                self.add(piece)
                left -= len(piece)
        if left:
            self.add(GAP.format(left).encode())

    def add(self, data: bytes) -> None:
        """Append text in UTF-8. Raises OSError if the file cannot be written."""
        if self._file is None:
            self._early += data
            return
        room = self._max_bytes - self.size
        if self._is_full:
            return
        if len(data) > room:
            self._is_full = True
            data = data[:room].decode(errors="ignore").encode()
            data += END.format(self._max_bytes).encode()
        self._head += data[: HEAD_BYTES - len(self._head)]
        self.size += len(data)
        self._file.write(data)

    def spill(self) -> None:
        """Write the text so far to a file, and sync it. Raises OSError."""
        if self._file is None:
            self._file = self._store.begin(self._run.task_id)
            self._key = self._file.key
            early = bytes(self._early)
            self._early.clear()
            self.add(early)
        self.sync()

    def in_record(self) -> Overflowing:
        """Return what the next write of the stream notes of the file in the record."""
        if self._file is None or self._has_failed:
            return Overflowing(self.file_name, has_failed=self._has_failed)
        self._may_be_noted = True
        about = (self.file_name, self.size, media_type(self.file_name, self._head), self._key)
        return Overflowing(self.file_name, noted(*about))

    def fail(self) -> None:
        """Stop writing the file; it stays as it is if the record may name it."""
        self._has_failed = True
        self.size = max(self.size, self._saved or 0)
        self.close()

    def sync(self) -> int:
        """Sync the file, so that it survives a power cut; return its size. Raises OSError."""
        if self._file is not None and not self._has_failed:
            self._file.sync()
        return self.size

    def settle(self, is_last: bool) -> Outcome:
        """Note the file in the record: when it begins, and with its size at the end.

        Returns what `FileRecords.note` does. Raises RedisUnavailable, OSError.
        """
        if self._noted is not None and (not is_last or self._noted == self.size):
            return Outcome.WRITTEN
        size = self.sync()
        stored = StoredFile(self._key, size, self._head)
        outcome, former = note(self._run, self.file_name, stored)
        if outcome == Outcome.WRITTEN:
            self._noted = size
        elif outcome == Outcome.FULL:
            raise ValueError(TOO_MANY)
        elif self._noted is None:
            logger.warning("The file of stream %s of %s is refused: %s", *self._named, outcome)
        if former is not None and former.key != self._key:
            delete_file(self._store, self._run.task_id, former.key)
        return outcome

    def close(self) -> None:
        """Close the file; delete it if no record can name it."""
        if self._file is not None:
            with suppress(OSError):  # a disk may say only now that it is full
                self._file.close()
        if self._key and self._noted is None and not self._may_be_noted:
            with suppress(Exception):  # maintenance deletes it later
                self._store.delete(self._run.task_id, self._key)

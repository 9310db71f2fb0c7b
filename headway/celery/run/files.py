"""Gives out files of a run: stores each, and notes it in the record."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from headway import settings
from headway.celery.run.runs import Run
from headway.celery.storing.fencing import delivery_of
from headway.celery.storing.persistence import until_stored
from headway.exceptions import ConfigError
from headway.files.place import file_store
from headway.files.store import FileStore, StoredFile
from headway.files.types import MAX_NAME_BYTES, is_file_name, media_type
from headway.store.files import MAX_FILES, TaskFile
from headway.store.model import Outcome

logger = logging.getLogger(__name__)

FileSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
PIECE_BYTES = 1024 * 1024
BAD_NAME = (
    "{!r} is no name of a file: one line of visible characters, without / and \\, of at most "
    f"{MAX_NAME_BYTES} bytes of UTF-8."
)
TOO_MANY = f"A task has at most {MAX_FILES} files."
NO_PLACE = "There is no place for files: set headway_files, in the web process's settings too."


def give_out(run: Run | None, name: str, source: FileSource) -> None:
    """Give out a file of the run; see `progress.file`. Outside of runs only the name is checked."""
    if not is_file_name(name):
        raise ValueError(BAD_NAME.format(name))
    if run is None:
        return
    if run.task is None:
        raise RuntimeError("A child process cannot give out files: do it in the run's own process.")
    backend = run.task.backend
    conf = backend.app.conf
    store = file_store(conf, backend.records)
    if store is None:
        raise ConfigError(NO_PLACE)
    max_bytes = int(settings.FILE_MAX_BYTES.read(conf))
    stored = store.store(run.task_id, _pieces(source), max_bytes)
    # Where this raises, the record may name the file or not: maintenance deletes it if not.
    outcome, former = until_stored(lambda: note(run, name, stored))
    if outcome != Outcome.WRITTEN:
        delete_file(store, run.task_id, stored.key)
        _refuse(run, outcome)
    if former is not None and former.key != stored.key:  # it is the same after a reply was lost
        delete_file(store, run.task_id, former.key)


def delete_file(store: FileStore, task_id: str, key: str) -> None:
    """Delete a file that no record names; maintenance does where this process cannot."""
    try:
        store.delete(task_id, key)
    except OSError as error:
        logger.warning("A file of task %s is not deleted yet: %s", task_id, error)


def note(run: Run, name: str, stored: StoredFile) -> tuple[Outcome, TaskFile | None]:
    """Note a stored file in the record; return what `FileRecords.note` does."""
    backend = run.task.backend
    about = (name, stored.size, media_type(name, stored.head), stored.key)

    def once() -> tuple[Outcome, TaskFile | None]:
        noted: tuple[Outcome, TaskFile | None] = backend.records.files.note(
            run.task_id, delivery_of(run.request), *about
        )
        return noted

    outcome, former = once()
    if outcome == Outcome.UNKNOWN:  # Redis has lost the record: a report makes it again
        backend.runs.report(run.request, "PROGRESS", {})
        outcome, former = once()
    return outcome, former


def _refuse(run: Run, outcome: Outcome) -> None:
    """Raise ValueError for a file too many, Stopped for a run that must not go on."""
    if outcome == Outcome.FULL:
        raise ValueError(TOO_MANY)
    run.stop(outcome)
    run.check()


def _pieces(source: Any) -> Iterator[bytes]:
    """Yield what a source holds, piece by piece. Raises TypeError for another type, OSError."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield bytes(source)
    elif isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            yield from _pieces(file)
    elif hasattr(source, "read"):
        while piece := source.read(PIECE_BYTES):
            if not isinstance(piece, bytes):
                raise TypeError("A file to give out is opened in binary mode: open(path, 'rb').")
            yield piece
    else:
        raise TypeError(
            f"What is given out is a path, bytes or a binary file, not {type(source).__name__}."
        )

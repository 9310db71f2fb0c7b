"""Loads the uploads among a run's arguments, and keeps each as long as the task."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO

from headway.celery.run import runs
from headway.celery.storing.persistence import until_stored
from headway.exceptions import UploadExpired
from headway.files.place import file_store
from headway.files.store import FileStore, size_of
from headway.files.upload import Upload
from headway.store.files import TaskFile

EXPIRED = "The uploaded file has expired: upload it again."
NOT_HERE = (
    "The uploaded file is not in this worker's headway_files: it needs the web process's setting."
)


def load_upload(upload_id: str) -> Upload:
    """Return an upload for the current run; outside of runs one that cannot be opened.

    Raises UploadExpired if it is not kept, or not where this worker looks; OSError where that
    cannot be reached.
    """
    run = runs.present()
    if run is None or run.task is None:
        return Upload(upload_id)
    backend = run.task.backend
    task_id = run.task_id
    file = until_stored(lambda: backend.records.uploads.hold(upload_id, task_id))
    if file is None:
        raise UploadExpired(EXPIRED)
    store = file_store(backend.app.conf, backend.records, "uploads")
    upload = upload_in(store, upload_id, file)
    upload.open().close()  # the task learns now whether it is there
    return upload


def upload_in(store: FileStore | None, upload_id: str, file: TaskFile) -> Upload:
    """Return an upload whose file lies in a store."""
    opener = partial(_open, store, upload_id, file)
    return Upload(upload_id, file.name, file.size, file.type, opener)


def _open(store: FileStore | None, upload_id: str, file: TaskFile) -> BinaryIO:
    opened = store.open(upload_id, file.key) if store else None
    if opened is None:
        raise UploadExpired(NOT_HERE)
    if size_of(opened) != file.size:  # a power cut, or somebody's hand
        opened.close()
        raise UploadExpired("The uploaded file is damaged: upload it again.")
    return opened

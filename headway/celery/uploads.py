"""Loads the uploads among a run's arguments, and keeps each as long as the task."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, BinaryIO

from headway.celery import runs
from headway.celery.persistence import until_stored
from headway.exceptions import UploadExpired
from headway.files.folder import FileFolder, file_folder
from headway.files.upload import Upload
from headway.store.files import TaskFile

EXPIRED = "The uploaded file is no longer kept: upload it again."
NOT_HERE = (
    "The uploaded file is not in this worker's headway_files: it needs the web process's folder."
)


def load_upload(upload_id: str) -> Upload:
    """Return an upload for the current run; outside of runs one that cannot be opened.

    Raises UploadExpired if it is not kept, or not in this worker's folder.
    """
    run = runs.present()
    if run is None or run.task is None:
        return Upload(upload_id)
    backend = run.task.backend
    task_id = run.task_id
    file = until_stored(lambda: backend.records.uploads.hold(upload_id, task_id))
    if file is None:
        raise UploadExpired(EXPIRED)
    folder = file_folder(backend.app.conf, backend.records.keys.prefix, "uploads")
    upload = upload_in(folder, upload_id, file)
    upload.open().close()  # the task learns now whether it is there
    return upload


def upload_in(folder: FileFolder | None, upload_id: str, file: TaskFile) -> Upload:
    """Return an upload whose file lies in a folder."""
    opener = partial(_open, folder, upload_id, file)
    return Upload(upload_id, file.name, file.size, file.type, opener)


def _open(folder: FileFolder | None, upload_id: str, file: TaskFile) -> BinaryIO:
    opened: Any = folder.open(upload_id, file.key) if folder else None
    if opened is None:
        raise UploadExpired(NOT_HERE)
    if os.fstat(opened.fileno()).st_size != file.size:  # a power cut, or somebody's hand
        opened.close()
        raise UploadExpired("The uploaded file is damaged: upload it again.")
    stored: BinaryIO = opened
    return stored

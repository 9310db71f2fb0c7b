"""Uploads that a test gives to tasks, from paths and bytes."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from headway.celery.run.uploads import upload_in
from headway.exceptions import HeadwayError
from headway.files.place import file_store
from headway.files.upload import Upload
from headway.files.uploading import take_in
from headway.system import system_of


class GivenUploads:
    """Makes uploads for the tasks of an app, and deletes them after the test."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._given: list[str] = []

    def give(self, source: str | os.PathLike[str] | bytes, name: str, owner: str) -> Upload:
        """Return an upload with what a path or bytes hold. Raises as `take_in` does."""
        if isinstance(source, bytes) and not name:
            raise HeadwayError("An upload of bytes needs a name, as people.csv.")
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        name = name or Path(os.fsdecode(source)).name
        system = system_of(self._app)
        stored = take_in(system, name, [data], owner=owner)
        self._given.append(stored.id)
        store = file_store(self._app.conf, system.records, "uploads")
        return upload_in(store, stored.id, stored.file)

    def delete(self) -> None:
        """Delete the files of all that were given."""
        store = file_store(self._app.conf, system_of(self._app).records, "uploads")
        for upload_id in self._given:
            if store is not None:
                store.delete_all(upload_id)


class GivesUploads:
    """What the fixtures have in common that give uploads to tasks."""

    _uploads: GivenUploads

    def upload(
        self, source: str | os.PathLike[str] | bytes, name: str = "", *, owner: str = ""
    ) -> Upload:
        """Return an upload, for a task's argument, with what a path or bytes hold.

        It lies in the app's `headway_files` until the test has ended; `owner` is whose it is.
        Raises ConfigError where that is not set.
        """
        return self._uploads.give(source, name, owner)

"""A worker of tests/ending_tasks.py with one pool, what its tasks leave behind, and what their
records say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headway.snapshot import Phase, Snapshot
from headway.store.records import Records
from tests import ending_tasks as tasks
from tests.by_hand import shown
from tests.processes import Process, Valkey, running, wait_for, worker


class Project:
    """Its tasks go to a queue of its own."""

    module = "tests.ending_tasks"
    options: tuple[str, ...] = ()  # of its workers' command lines

    def __init__(
        self, pool: str, queue: str, records: Records, folder: Path, env: dict[str, str]
    ) -> None:
        self.pool = pool
        self.queue = queue
        self.records = records
        self.folder = folder
        self._env = env
        self.process = self.worker()

    def worker(self, **env: str) -> Process:
        """Start one more worker."""
        options = ("-P", self.pool, *self.options)
        return worker(self.folder, self._env | env, self.queue, self.module, *options)

    def start(self, task: Any, *args: Any) -> tuple[str, Path]:
        """Start a task; its first argument is a folder in which it leaves a file for each run."""
        counts = self.folder / os.urandom(4).hex()
        counts.mkdir()
        # A connection of its own: one that Celery keeps would outlive the test's Valkey, unclosed.
        with tasks.celery.connection_for_write() as connection:
            result = task.apply_async((str(counts), *args), queue=self.queue, connection=connection)
        return str(result.id), counts

    def snapshot(self, task_id: str) -> Snapshot | None:
        return shown(self.records, task_id)

    def reached(self, task_id: str, *phases: Phase, seconds: float = 30) -> Snapshot:
        """Return the task's snapshot once it is in one of these phases."""

        def found() -> Snapshot | None:
            now = self.snapshot(task_id)
            return now if now and now.phase in phases else None

        try:
            return wait_for(found, seconds)
        except AssertionError:
            raise AssertionError(
                f"{self.snapshot(task_id)}\n{self.process.output()[-3000:]}"
            ) from None

    def end_of(self, task_id: str, seconds: float = 30) -> Snapshot:
        return self.reached(
            task_id, Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, seconds=seconds
        )


@contextmanager
def project(
    pool: str, valkey: Valkey, folder: Path, kind: type[Project] = Project, **env: str
) -> Iterator[Project]:
    """Start a project; `env` are settings of its workers."""
    tasks.celery.conf.broker_url = valkey.url
    tasks.celery.conf.result_backend = f"headway.celery.backend.LiveBackend+{valkey.url}"
    client = valkey.connect()
    queue = f"{pool}-{os.urandom(4).hex()}"
    started = kind(pool, queue, Records(client, 7), folder, {"REDIS_URL": valkey.url, **env})
    with running(started.process):
        yield started
    client.close()


def runs(counts: Path) -> int:
    """Return how often a task has begun."""
    return len(os.listdir(counts))

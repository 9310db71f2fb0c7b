"""Runs a project's tasks in the test's own process, as a worker does, without any service.

The code that does so in production makes, claims, runs, stores and publishes messages, over a Redis
in memory. There is no other process and no waiting: a task for later runs next.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, ClassVar
from uuid import uuid4

from celery import Celery, Task
from celery.app.trace import build_tracer
from celery.exceptions import NotRegistered, Reject
from celery.result import denied_join_result
from kombu.connection import Connection
from kombu.transport import TRANSPORT_ALIASES

from headway.celery.backend import LiveBackend
from headway.celery.messages.broker import MessageEncoder
from headway.celery.messages.captured import (
    CapturingChannel,
    CapturingTransport,
    id_of,
    readable_request_of,
    request_of,
)
from headway.celery.messages.priorities import STEPS
from headway.celery.storing.fencing import FENCE
from headway.celery.worker.delivery import keep_until_due
from headway.exceptions import HeadwayError
from headway.snapshot import Phase, Snapshot
from headway.store.model import Outcome
from headway.testing.eager_tasks import EagerTasks
from headway.testing.memory import memory_clients
from headway.testing.switch import switched
from headway.testing.task_run import TaskRun
from headway.testing.uploads import GivenUploads, GivesUploads
from headway.testing.viewer import Viewer

BROKER_URL = "headway-eager://localhost"
HOSTNAME = "eager@test"
MAX_RUNS = 1000  # of one call: a task that always asks for a next attempt would never end
LATER = (Phase.SCHEDULED, Phase.RETRYING)


class Eager(GivesUploads):
    """A worker in the test's own process, and a viewer that collects what its tasks show."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._client, celery_client = memory_clients(self._take_in)
        self._other = LiveBackend(app=app, url="redis://127.0.0.1:1/0")
        self._other.records.client = self._client
        self._other.client = celery_client
        # As with a broker in the records' Redis: a message and its record are one write.
        self._other.recorder.encoder = MessageEncoder(app)
        self._queues: set[str] = set()
        self._channel = Connection(transport=CapturingTransport).default_channel
        self._messages: deque[dict[str, Any]] = deque()
        self._tasks = EagerTasks(app)
        self._uploads = GivenUploads(app)
        # The context from before the test: a view's request context must not reach its tasks.
        self._context = copy_context()
        self._working = threading.Lock()

    @contextmanager
    def active(self) -> Iterator[Eager]:
        """Run all tasks of the app in this process during the block."""
        with switched(self.app, BROKER_URL, self._other, {}) as backend:
            self._backend = backend
            self._records = backend.records
            self._viewer = Viewer(backend)
            self._sweep()
            self._tasks.adopt()
            taken = InProcessChannel.worker
            InProcessChannel.worker = self
            try:
                yield self
            finally:
                InProcessChannel.worker = taken
                self._uploads.delete()
                self._tasks.restore()
                self._viewer.close()
                self._client.connection_pool.disconnect()

    def run(self, task: Task, *args: Any, **kwargs: Any) -> TaskRun:
        """Run a task with all its attempts and the tasks that it starts; return what it showed."""
        if task.app is not self.app:
            raise HeadwayError(
                f"{task.name} is a task of the Celery app {task.app.main!r}, and this fixture "
                f"runs those of {self.app.main!r}: override the fixture headway_celery_app."
            )
        return self.run_of(task.apply_async(args, kwargs))

    def run_of(self, task: Any) -> TaskRun:
        """Return what a task, an AsyncResult or its id, has shown.

        Raises HeadwayError if nothing has been seen of it.
        """
        return self._viewer.run_of(task)

    @property
    def runs(self) -> list[TaskRun]:
        """What each task has shown, in the order in which they were first seen."""
        return self._viewer.runs()

    def receive(self, message: dict[str, Any]) -> None:
        """Take a message from the broker and run its task, or do so after the current run."""
        self._messages.append(message)
        self._work()

    def _take_in(self, queue: str) -> None:
        """Take what a queue got, as `receive` does; "" for a message that waits for its time."""
        self._queues |= {queue} - {""}
        self._work()

    def _work(self) -> None:
        """Run tasks until there are none left.

        A task that a run starts, even in a thread that it waits for, is run after it.
        """
        if not self._working.acquire(blocking=False):
            return
        try:
            self._context.run(self._run_all)
        finally:
            self._working.release()

    def _run_all(self) -> None:
        for _ in range(MAX_RUNS):
            if not self._do_next():
                return
        raise HeadwayError(f"These tasks never end: after {MAX_RUNS} messages there are more.")

    def _do_next(self) -> bool:
        """Run the next message, or make one that waits for its time due; False if none is left."""
        self._sweep()
        self._take_from_queues()
        if self._messages:
            self._deliver(self._messages.popleft())
            return True
        waiting = [Snapshot.from_json(text) for text in self._records.maintenance.unended()]
        later = [each for each in waiting if each.phase in LATER]
        by_time = sorted(later, key=lambda each: each.scheduled_for or "")
        return any(self._is_due_now(each.task_id) for each in by_time)

    def _is_due_now(self, task_id: str) -> bool:
        """Make a task that waits for its time due now; return whether it is."""
        return self._records.reschedule(task_id, "").outcome == Outcome.QUEUED

    def _take_from_queues(self) -> None:
        """Take the messages that were put into queues together with their records."""
        for queue in sorted(self._queues):
            for step in STEPS:
                while text := self._client.rpop(self._records.keys.queue(queue, step)):
                    self._messages.append(json.loads(str(text)))

    def _sweep(self) -> None:
        """Sweep as maintenance does: send due messages, and notify dependents of ended tasks."""
        duties = self._records.maintenance.sweep(HOSTNAME)
        for task_id, message in duties.due:
            self._backend.outbox.send(task_id, message)
            self._records.outbox.mark_published(task_id)
        for task_id, message in duties.ended:
            self._backend.dependents.notify_dependents(task_id, message)

    def _deliver(self, raw: dict[str, Any]) -> None:
        """Do what a worker does with a message."""
        message = self._channel.message_to_python(raw)
        task_id = id_of(message)
        name = message.headers.get("task")
        if task_id is None:  # an event, or a command for workers
            return
        task = self._tasks.find(name)
        if task is None:
            request = readable_request_of(message)
            self._backend.mark_as_failure(task_id, NotRegistered(name), request=request)
        elif message.headers.get("eta") and keep_until_due(task, message):
            return
        elif self._is_given_back(task, message):
            self._messages.append(raw)

    def _is_given_back(self, task: Task, message: Any) -> bool:
        """Run a message's task; return whether it requeues the message."""
        request = vars(request_of(message)) | {FENCE: uuid4().hex, "hostname": HOSTNAME}
        trace = build_tracer(task.name, task, app=self.app, hostname=HOSTNAME)
        with denied_join_result():
            outcome = trace(request["id"], request["args"], request["kwargs"], request)
        end = outcome.info.retval if outcome.info else None
        return isinstance(end, Reject) and bool(end.requeue)


class InProcessChannel(CapturingChannel):
    """Hands each message to the worker of this process."""

    worker: ClassVar[Eager | None] = None

    def basic_publish(
        self,
        message: dict[str, Any],
        exchange: str,
        routing_key: str,
        **_: Any,
    ) -> None:
        self._inplace_augment_message(message, exchange, routing_key)
        if self.worker is not None:
            self.worker.receive(message)


class InProcessTransport(CapturingTransport):
    """A broker in this process."""

    Channel = InProcessChannel


TRANSPORT_ALIASES[BROKER_URL.partition(":")[0]] = "headway.testing.eager:InProcessTransport"

"""A viewer of all tasks that keeps each snapshot and log line that Redis publishes."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from headway.answering import answer
from headway.celery.backend import LiveBackend
from headway.exceptions import HeadwayError
from headway.snapshot import Snapshot
from headway.store.keys import room
from headway.testing.task_run import Details, TaskRun

SNAPSHOT_HEAD = '["snapshot",'
REPLY_SECONDS = 5.0


class Viewer:
    """Collects what tasks show, by task id, from its creation on."""

    def __init__(self, backend: LiveBackend) -> None:
        self._details = Details(self._whole_result, backend.get_traceback, self._answer)
        self._backend = backend
        self._records = backend.records
        self._runs: dict[str, TaskRun] = {}
        self._mark = f"headway-test:{uuid4().hex}"  # a channel of its own
        self._pubsub: Any = self._records.client.pubsub()
        self._pubsub.subscribe(self._mark)
        self._pubsub.psubscribe(self._records.keys.channel(room("task", "*")))
        self.read_pushes()

    def close(self) -> None:
        self._pubsub.close()

    def run_of(self, task: Any) -> TaskRun:
        """Return what a task, given as an AsyncResult or its id, has shown.

        Raises HeadwayError if nothing has been seen of it.
        """
        self.read_pushes()
        task_id = id_of(task)
        if task_id not in self._runs:
            known = ", ".join(self._runs) or "none"
            raise HeadwayError(f"Nothing has been seen of task {task_id}. Seen: {known}.")
        return self._runs[task_id]

    def runs(self) -> list[TaskRun]:
        """Return what each task has shown, in the order in which they were first seen."""
        self.read_pushes()
        return list(self._runs.values())

    def read_pushes(self) -> None:
        """Read all that has been published by now. Raises HeadwayError if Redis is away."""
        self._records.client.publish(self._mark, "")  # arrives after all of that
        while message := self._pubsub.get_message(timeout=REPLY_SECONDS):
            if message["type"] == "message":
                return
            if message["type"] == "pmessage":
                self._keep(message["channel"].rpartition(":")[2], message["data"])
        raise HeadwayError("Redis does not answer.")

    def _keep(self, task_id: str, event: str) -> None:
        run = self._runs.setdefault(task_id, TaskRun(task_id, self._details))
        if event.startswith(SNAPSHOT_HEAD):
            run.snapshots.append(Snapshot.from_json(event[len(SNAPSHOT_HEAD) : -1]))
            return
        kind, said = json.loads(event)
        if kind == "log":
            run.log_lines += said["lines"]
        elif kind == "stream":
            before = run.streams.get(said["name"], "").encode()[: said["offset"]]
            run.streams[said["name"]] = before.decode() + said["text"]

    def _whole_result(self, task_id: str) -> Any:
        found = self._records.results.read(task_id)
        if found is None:
            raise HeadwayError(f"The result of task {task_id} has expired.")
        return json.loads(b"".join(found[1]))

    def _answer(self, task_id: str, value: Any) -> None:
        self.read_pushes()
        question = self._runs[task_id].snapshot.question
        if question is None:
            raise HeadwayError(f"Task {task_id} asks nothing now.")
        answer(self._records, task_id, question, question["id"], value, "a test")
        self._backend.outbox.send_due(task_id)
        self.read_pushes()


def id_of(task: Any) -> str:
    """Return the id of a task, given as an AsyncResult or as the id itself."""
    return str(getattr(task, "id", task))

"""The machine's records, and what its steps have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from hypothesis.stateful import RuleBasedStateMachine

from app.config import QUEUES
from headway.snapshot import STATE, Phase
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.record_machine.model import (
    ELAPSE,
    PARENT_ID,
    REFUSED,
    SETS,
    TURNS,
    WAITING,
    Line,
    Run,
    Task,
    Timetable,
    message_of,
    moment,
)


class Base(RuleBasedStateMachine):
    def __init__(self, records: Records) -> None:
        super().__init__()
        self.records = records
        self.client = records.client
        self.client.flushdb()
        self.client.set("headway:last_sweep", records.clock.now())
        # All tasks are parts of this one, which itself does nothing.
        records.starts.create(
            owner="ada", message=message_of(0), title="P", max_attempts=1, task_id=PARENT_ID
        )
        self.client.zrem("headway:outbox", PARENT_ID)
        self.client.zrem("headway:waiting:" + QUEUES[0], PARENT_ID)
        self.tasks: list[Task] = []
        self.runs: list[Run] = []
        self.missing: set[str] = set()  # by the last look
        self.lines = {name: Line(turn) for name, turn in TURNS.items()}
        self.timetable = Timetable()
        self.ear = self.client.pubsub()
        self.ear.psubscribe("flask-socketio:task:*", "the end")
        assert [self.ear.get_message(timeout=20)["type"] for _ in range(2)] == ["psubscribe"] * 2

    @property
    def open_tasks(self) -> list[Task]:
        return [task for task in self.tasks if not task.is_over]

    def task(self, task_id: str) -> Task:
        return next(task for task in self.tasks if task.id == task_id)

    def may_write(self, run: Run) -> bool:
        return run.task.stray or (run.holds and not run.task.final)

    def write(self, run: Run, phase: Phase, fields: dict[str, Any], repeated: bool = False) -> str:
        """Write as a run does that has claimed the task, whoever has it now."""
        task = run.task
        write_id = uuid4().hex
        if self.may_write(run):
            outcome = self.store(run, phase, fields, write_id)
            heard = {"cancelling"} if phase == Phase.RUNNING else {"written", "cancelled"}
            assert task.stray or outcome in (heard if task.cancelling else {"written"})
            run.ended = run.ended or phase != Phase.RUNNING
        else:
            with self.unchanged(task):
                outcome = self.store(run, phase, fields, write_id)
            assert outcome in REFUSED
        if repeated and outcome == "written":
            with self.unchanged(task):
                assert self.store(run, phase, fields, write_id) == "written" or task.stray
        return outcome

    def store(
        self,
        run: Run,
        phase: Phase,
        fields: dict[str, Any],
        write_id: str = "",
        **save: Any,
    ) -> str:
        task = run.task
        return self.records.runs.write(
            StateWrite(
                task.id,
                run.delivery,
                phase,
                fields,
                meta=json.dumps({"status": STATE[phase], "result": None, "task_id": task.id}),
                name="long_task",
                max_attempts=task.max_attempts,
                most_failures=task.max_attempts,
                retry_in=run.delay,
                write_id=write_id,
                **save,
            )
        )

    def defer(self, task: Task, order: int, delay: int, run: Delivery) -> str:
        return self.records.outbox.defer(
            task.id,
            order,
            message=message_of(order),
            max_attempts=task.max_attempts,
            when=moment(delay),
            run=run,
            turn=task.turn,
        )

    def ask_for(self, run: Run, name: str) -> str:
        message = message_of(run.order)
        most = run.task.max_attempts
        return self.records.runs.claim(
            run.task.id,
            run.delivery,
            name,
            message=message,
            max_attempts=most,
            hostname="here",
            priority=run.task.turn.priority,
        )

    @contextmanager
    def unchanged(self, task: Task, but_for: bool = False) -> Iterator[None]:
        """What happens here changes nothing of a task, unless it comes from its holder or the
        task is astray.
        """
        before = None if but_for or task.stray else self.kept(task)
        yield
        assert before is None or self.kept(task) == before

    def kept(self, task: Task) -> list[Any]:
        """Return all that Redis keeps of a task."""
        pipeline = self.client.pipeline()
        pipeline.hgetall(f"headway:task:{task.id}").get(f"celery-task-meta-{task.id}")
        pipeline.lrange(f"headway:log:{task.id}", 0, -1)
        pipeline.get(f"headway:stream:{task.id}:answer")
        for key in (*SETS, *WAITING):
            pipeline.zscore(key, task.id)
        return pipeline.execute()

    def phase_now(self, task: Task) -> Phase:
        return Phase(json.loads(self.client.hget(f"headway:task:{task.id}", "phase")))

    def pass_time(self, seconds: int) -> None:
        self.client.eval(ELAPSE, len(SETS), *SETS, seconds * 1_000_000)
        self.client.delete("headway:leader")

"""What must hold after each step."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis.stateful import invariant

from headway.snapshot import FINAL, Phase, Snapshot
from tests.record_machine.checks import check, check_order, ratio
from tests.record_machine.lines import Lines
from tests.record_machine.model import (
    NO_KEY,
    PARENT_ID,
    SETS,
    STEP,
    WAITING,
    WAITS_FOR_ITS_TIME,
    Task,
)
from tests.record_machine.timing import Timing


class Invariants(Lines, Timing):
    def heard(self) -> list[Snapshot]:
        """Return what has been pushed since the last time."""
        self.client.publish("the end", "")
        snapshots = []
        while (message := self.ear.get_message(timeout=20)) and message["channel"] != "the end":
            event, payload = json.loads(message["data"])
            if event == "snapshot" and payload["task_id"] != PARENT_ID:
                snapshots.append(Snapshot.from_json(json.dumps(payload)))
        assert message, "Redis was not heard"
        return snapshots

    @invariant()
    def all_is_well(self) -> None:
        self.snapshots_tell_a_history()
        self.each_task_is_where_it_goes_on_from_and_nowhere_else()
        self.streams_hold_what_this_attempt_wrote()
        self.the_parent_counts_its_parts()
        self.turns_are_taken_in_order()
        self.of_what_is_unique_one_is_open()
        self.each_time_is_accounted_for()

    def the_parent_counts_its_parts(self) -> None:
        [stored] = self.records.read([PARENT_ID])
        if stored is None or any(task.stray for task in self.tasks):
            return
        # The first write of a run without a record makes one of nobody's.
        phases = [task.phase for task in self.tasks if task.last and task.last.parent_id]
        parts = Snapshot.from_json(stored.snapshot).parts
        kept = self.records.lists.part_counts(PARENT_ID)
        assert {phase: count for phase, count in kept.items() if count} == Counter(phases)
        if parts is None:
            assert not phases
            return
        assert parts["count"] == len(phases)
        assert parts["ended"] == sum(phase in FINAL for phase in phases)
        assert parts["failed"] == phases.count(Phase.FAILED)
        assert parts["waiting"] == phases.count(Phase.WAITING)
        assert (parts["first_failed"] is None) == (Phase.FAILED not in phases)
        assert parts["progress"] == 1 or parts["ended"] < parts["count"]
        assert self.records.lists.count_open("ada") == 1 + parts["count"] - parts["ended"]

    def streams_hold_what_this_attempt_wrote(self) -> None:
        tasks = [task for task in self.tasks if task.last and not task.stray]
        pipeline = self.client.pipeline()
        for task in tasks:
            key = f"headway:stream:{task.id}:answer"
            pipeline.get(key).pttl(key)
        answers = pipeline.execute()
        for task, text, ttl in zip(tasks, answers[::2], answers[1::2], strict=True):
            assert (text or "") == task.text
            assert ttl > 0 or not task.text

    def snapshots_tell_a_history(self) -> None:
        for snapshot in self.heard():
            check(snapshot)
            task = self.task(snapshot.task_id)
            if task.last and not task.stray:
                check_order(task.last, snapshot)
            task.last = snapshot
            if (
                snapshot.state == "PROGRESS"
                and not task.stray
                and (far := ratio(snapshot)) is not None
            ):
                assert far >= task.high, "the bar went back"
                task.high = far
        for task, stored in zip(
            self.tasks, self.records.read([task.id for task in self.tasks]), strict=True
        ):
            if task.stray:
                task.last = Snapshot.from_json(stored.snapshot) if stored else None
                continue
            assert (stored is None) == (task.last is None)
            if stored is not None:
                now = Snapshot.from_json(stored.snapshot)
                check(now)
                is_queued = now.phase == Phase.QUEUED and now.version == task.last.version
                # The text of a stream is told by events of its own.
                told = replace(task.last, streams=now.streams)
                assert now == told or is_queued, f"{now} was not told of after {task.last}"
                assert now.attempt == task.attempt

    def each_task_is_where_it_goes_on_from_and_nowhere_else(self) -> None:
        tasks = [task for task in self.tasks if task.last and not task.stray]
        pipeline = self.client.pipeline()
        for task in tasks:
            for key in ("headway:task:", "celery-task-meta-", "headway:log:"):
                pipeline.pttl(key + task.id)
            for key in (*SETS, *WAITING):
                pipeline.zscore(key, task.id)
        *answers, now = pipeline.time().execute()
        for task, first in zip(tasks, range(0, len(answers), 10), strict=True):
            self.check_places(task, now[0] * 1e6 + now[1], *answers[first : first + 10])

    def check_places(
        self,
        task: Task,
        now: float,
        ttl: int,
        celery: int,
        log: int,
        lease: Any,
        _: Any,
        outbox: Any,
        overdue: Any,
        deadline: Any,
        *waiting: Any,
    ) -> None:
        assert ttl > 0
        assert celery > 0
        assert log == NO_KEY or log > 0
        scores = [score for score in waiting if score is not None]
        assert len(scores) == (task.phase == Phase.QUEUED and not task.is_in_line)
        for score in scores:
            assert (score - now + STEP / 2) // STEP == task.turn.priority, "it keeps its priority"
        if task.is_in_line:
            assert outbox is not None
        assert (lease is not None) == (task.held and not task.final)
        assert (overdue is not None) == (task.phase == Phase.CANCELLING)
        is_asked = task.phase == Phase.WAITING and task.question.timeout is not None
        assert (deadline is not None) == (is_asked or self.is_to_be_reminded(task))
        if task.final:
            assert outbox is None
        elif task.phase in WAITS_FOR_ITS_TIME:
            assert task.owed or outbox < now + ttl * 1000, "its message is kept until it is due"
        elif task.phase != Phase.QUEUED:
            assert (outbox is not None) == task.deferred

    def is_to_be_reminded(self, task: Task) -> bool:
        """Whether people are still to be reminded of a task's question."""
        if task.phase != Phase.WAITING or task.question.remind_after is None:
            return False
        return task.last.question["reminded_at"] is None

"""The record's promises under any order of events: whatever messages, runs, workers, maintenance
and people do.

Hypothesis draws the order, a real Valkey runs the scripts. The model knows only what must hold: who
has the task, its attempt, its failures, and which messages there are. RECORD_MACHINE_EXAMPLES asks
for a longer search, each time another.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.records import Records
from tests.record_machine.invariants import Invariants
from tests.record_machine.keeping import Keeping
from tests.record_machine.model import FAR_SECONDS, MAX_ATTEMPTS, TTL_DAYS, Run
from tests.record_machine.running import Running
from tests.record_machine.starting import Starting
from tests.record_machine.turns import Turns
from tests.record_machine.writing import Writing

EXAMPLES = int(os.environ.get("RECORD_MACHINE_EXAMPLES", 0))
LENGTH = 30  # steps of an example


class RecordMachine(Invariants, Starting, Running, Writing, Keeping, Turns):
    def teardown(self) -> None:
        """All workers die, again and again, and maintenance goes on: each task comes to its end."""
        try:
            self.look_after_all()
        finally:
            self.ear.close()

    def look_after_all(self) -> None:
        for task in self.tasks:
            if task.owed and task.phase == Phase.RETRYING:
                self.defer_successor(task)
        for task in self.tasks:
            if task.phase == Phase.WAITING and not task.stray:
                self.answer(task, "1")
        for _ in range(MAX_ATTEMPTS + 5 + MAX_ATTEMPTS * len(self.open_tasks)):
            if not self.open_tasks and not self.client.zcard("headway:outbox"):
                break
            self.look()
            self.round(after=2 * FAR_SECONDS, gives_up=True, sends=True)
            self.all_is_well()
            self.take_all_messages()
        for task in self.tasks:
            ignored = task.dropped and not task.deferred
            assert task.is_over or task.last is None or ignored, f"stranded: {task.last}"
        assert self.client.zcard("headway:outbox") == 0

    def take_all_messages(self) -> None:
        for task in self.tasks:
            task.messages += task.hand
            task.hand = []
            while task.messages:
                self.records.outbox.mark_published(task.id)
                self.claim(Run(task, task.messages.pop()))
                self.all_is_well()


def test_a_record_keeps_its_promises_in_any_order_of_events(redis_url: str):
    client = connect(redis_url, timeout=5)
    records = Records(client, TTL_DAYS)
    run_state_machine_as_test(
        lambda: RecordMachine(records),
        settings=settings(
            max_examples=EXAMPLES or 120,
            stateful_step_count=LENGTH,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    client.close()

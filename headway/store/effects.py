"""Effects that a task has once: how far they have come stands in its record."""

from __future__ import annotations

from typing import Literal

from headway.store.functions import Functions
from headway.store.model import Delivery, EffectStep, Outcome


class EffectRecords:
    """Notes what runs are about to do outside, and what they have done there."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def advance_commit(
        self, task_id: str, delivery: Delivery, stage: Literal["prepared", "committing"]
    ) -> Outcome:
        """Advance the commit point of the task's at-most-once effect, such as an email.

        Returns "written"; "cancelling" if the run has to stop; "unknown" if another run was lost
        while it committed; or why the write was refused.
        """
        return Outcome(
            self._functions.call(
                "advance_commit",
                [self._keys.record(task_id)],
                [delivery.token, delivery.order, stage],
            )
        )

    def advance_effect(
        self,
        task_id: str,
        delivery: Delivery,
        name: str,
        call: str,
        step: EffectStep,
        result: str = "",
    ) -> tuple[Outcome, str]:
        """Begin or end an effect that the task has once; `call` is an id of this attempt at it.

        Returns (WRITTEN, ""); (DONE, its result as JSON) for one that has taken place;
        (UNKNOWN, "") for one that another call began; (CANCELLING, "") if the task has to stop;
        (EXPIRED, "") without a record; or (why not, "").
        """
        outcome, *results = self._functions.call(
            "once", [self._keys.record(task_id)], [*delivery, name, call, step, result]
        )
        return Outcome(outcome), results[0] if results else ""

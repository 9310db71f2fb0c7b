"""Effects that a task has once: how far they have come stands in its record."""

from __future__ import annotations

from headway.store.functions import Functions
from headway.store.model import Delivery, EffectStep, Outcome


class EffectRecords:
    """Notes what runs are about to do outside, and what they have done there."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

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

        "look" changes nothing: it returns what "begin" would.

        Returns (WRITTEN, ""); (DONE, its result as JSON) for one that has taken place;
        (UNKNOWN, "") for one that another call began; (CANCELLING, "") if the task has to stop;
        (EXPIRED, "") without a record; or (why not, "").
        """
        outcome, *results = self._functions.call(
            "once", [self._keys.record(task_id)], [*delivery, name, call, step, result]
        )
        return Outcome(outcome), results[0] if results else ""

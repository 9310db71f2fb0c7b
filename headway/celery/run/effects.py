"""Runs a side effect once for a task, whatever number of runs the task has.

The record is told before the effect begins and after it has ended. Where a run dies in between,
nobody can know whether the effect took place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

from celery.exceptions import SoftTimeLimitExceeded

from headway.celery.run.runs import Run
from headway.celery.storing.fencing import delivery_of
from headway.celery.storing.persistence import until_stored
from headway.exceptions import OutcomeUnknown
from headway.json_values import encoded
from headway.store.errors import RedisUnavailable
from headway.store.model import EffectStep, Outcome

T = TypeVar("T")
MAX_RESULT_BYTES = 16 * 1024
MAX_NAME_CHARS = 100
END_SECONDS = 60.0  # for which the result of an effect waits for a Redis that is away


class Effect:
    """One call of `progress.once`."""

    def __init__(self, run: Run, name: str) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
            raise ValueError(f"The name of an effect has 1 to {MAX_NAME_CHARS} characters.")
        self._run = run
        self._name = name
        self._call = uuid4().hex

    def once(self, effect: Callable[[], T], in_doubt: Callable[[], T] | None) -> T:
        """Return what the effect returned, now or in an earlier run; see `progress.once`."""
        outcome, result = self._begin("begin")
        if outcome == Outcome.UNKNOWN:
            if in_doubt is None:
                raise OutcomeUnknown(
                    f"{self._name!r} was begun by a run that did not end it: "
                    "nobody can know here whether it took place."
                )
            outcome, result = self._begin("begin again")
            if outcome == Outcome.WRITTEN:
                return self._keep(in_doubt())  # if it raises, all is as it was
        if outcome == Outcome.DONE:
            known: T = json.loads(result)
            return known
        if outcome != Outcome.WRITTEN:
            self._run.stop(outcome)
            self._run.check()
        try:
            returned = effect()
        except SoftTimeLimitExceeded:  # from anywhere within it
            raise
        except Exception:
            with suppress(RedisUnavailable):
                self._advance("failed")
            raise
        return self._keep(returned)

    def _keep(self, result: T) -> T:
        text = encoded(result, MAX_RESULT_BYTES, "What an effect returns")
        until_stored(lambda: self._advance("done", text), END_SECONDS)
        kept: T = json.loads(text)  # as later calls get it
        return kept

    def _begin(self, step: EffectStep) -> tuple[Outcome, str]:
        outcome, result = until_stored(lambda: self._advance(step))
        if outcome == Outcome.EXPIRED:  # Redis has lost the record: a report makes it again
            self._run.task.backend.runs.report(self._run.request, "PROGRESS", {})
            outcome, result = until_stored(lambda: self._advance(step))
        return outcome, result

    def _advance(self, step: EffectStep, result: str = "") -> tuple[Outcome, str]:
        request = self._run.request
        records: Any = self._run.task.backend.records
        told: tuple[Outcome, str] = records.effects.advance_effect(
            request.id, delivery_of(request), self._name, self._call, step, result
        )
        return told

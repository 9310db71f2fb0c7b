"""Runs a side effect once for a task, whatever number of runs the task has.

The record is told before the effect begins, or its one step that counts, and after it has ended.
Where a run dies in between, nobody can know whether the effect took place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from threading import RLock
from typing import Any, TypeVar
from uuid import uuid4

from celery.exceptions import SoftTimeLimitExceeded

from headway.bars import Section
from headway.celery.run.runs import Run
from headway.celery.storing.fencing import delivery_of
from headway.celery.storing.persistence import until_stored
from headway.exceptions import OutcomeUnknown
from headway.json_values import encoded
from headway.store.model import EffectStep, Outcome

T = TypeVar("T")
MAX_RESULT_BYTES = 16 * 1024
MAX_NAME_CHARS = 100
COMMIT_SECONDS = 5.0  # for which a step that counts waits for Redis, while the other side waits


def once(
    section: Section | None,
    name: str,
    effect: Callable[..., T],
    in_doubt: Callable[[], T] | None,
    *,
    commits: bool,
) -> T:
    """Run an effect once for the task of this section of a run, if there is one; see `progress`."""
    if section is None:
        return effect(lambda: None) if commits else effect()
    call = Effect(section.run, name)
    # A second thread waits: it would take the first one's effect for that of a run that died.
    with section.run.effects.setdefault(name, RLock()):
        return call.once(effect, in_doubt, commits=commits)


class Effect:
    """One call of `progress.once`."""

    def __init__(self, run: Run, name: str) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
            raise ValueError(f"The name of an effect has 1 to {MAX_NAME_CHARS} characters.")
        self._run = run
        self._name = name
        self._call = uuid4().hex
        self._has_begun = False  # as far as this run knows: the reply may have been lost

    def once(
        self, effect: Callable[..., T], in_doubt: Callable[[], T] | None, *, commits: bool
    ) -> T:
        """Return what the effect returned, now or in an earlier run; see `progress.once`."""
        outcome, result = self._begin("look" if commits else "begin")
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
        self._must_go_on(outcome)
        if in_doubt is None and not commits:
            self._run.must_finish.add(self._name)
        try:
            returned = effect(self._commit) if commits else effect()
        except (SoftTimeLimitExceeded, OutcomeUnknown):  # from anywhere within it; or its own word
            raise
        except Exception:
            if self._has_begun:
                until_stored(lambda: self._advance("failed"))
            raise
        finally:
            self._run.must_finish.discard(self._name)
        return self._keep(returned)

    def _commit(self) -> None:
        """Note that the effect is about to take place."""
        outcome, _ = self._begin("begin", COMMIT_SECONDS)
        if outcome in {Outcome.UNKNOWN, Outcome.DONE}:  # by another thread of the run
            raise OutcomeUnknown(f"{self._name!r} was begun by another call meanwhile.")
        self._must_go_on(outcome)

    def _must_go_on(self, outcome: Outcome) -> None:
        if outcome != Outcome.WRITTEN:
            self._run.stop(outcome)
            self._run.check()

    def _keep(self, result: T) -> T:
        text = encoded(result, MAX_RESULT_BYTES, "What an effect returns")
        if not self._has_begun:  # it has ended without its step, such as by a refusal
            self._must_go_on(self._begin("begin")[0])
        until_stored(lambda: self._advance("done", text))
        kept: T = json.loads(text)  # as later calls get it
        return kept

    def _begin(self, step: EffectStep, seconds: float = inf) -> tuple[Outcome, str]:
        self._has_begun = step != "look"
        outcome, result = until_stored(lambda: self._advance(step), seconds)
        if outcome == Outcome.EXPIRED:  # Redis has lost the record: a report makes it again
            self._run.task.backend.runs.report(self._run.request, "PROGRESS", {})
            outcome, result = until_stored(lambda: self._advance(step), seconds)
        return outcome, result

    def _advance(self, step: EffectStep, result: str = "") -> tuple[Outcome, str]:
        request = self._run.request
        records: Any = self._run.task.backend.records
        answer: tuple[Outcome, str] = records.effects.advance_effect(
            request.id, delivery_of(request), self._name, self._call, step, result
        )
        return answer

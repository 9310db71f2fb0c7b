"""The commit point of a side effect that is to take place at most once."""

from __future__ import annotations

from math import inf
from typing import Literal

from headway.celery.run.runs import Stopped, present
from headway.exceptions import OutcomeUnknown
from headway.store.model import Outcome

COMMIT_SECONDS = 5.0  # for `commit`, while the other side waits for the last word of it


class CommitPoint:
    """The moment from which on nobody can know whether a side effect has taken place.

    A run that is lost before it is repeated; after it the task fails with OutcomeUnknown. Of an
    email it is the final dot, of a payment the request that confirms it. With `progress.once` the
    whole effect is in doubt, with this one step of it. Make it in the task; outside it does
    nothing.
    """

    def __init__(self, in_doubt: str) -> None:
        """Set up; `in_doubt` is the error's message after a run that was lost beyond the point."""
        self._in_doubt = in_doubt
        self._run = present()

    def prepare(self) -> None:
        """Record that the effect has not begun, or has certainly failed.

        Raises OutcomeUnknown if a lost run may have done it; Stopped.
        """
        self._advance("prepared", inf)

    def commit(self) -> None:
        """Record that the effect is about to take place; call it directly before.

        Raises Stopped if it must not; RedisUnavailable if Redis does not answer within 5 s.
        """
        self._advance("committing", COMMIT_SECONDS)

    def _advance(self, stage: Literal["prepared", "committing"], seconds: float) -> None:
        if self._run is None or not self._run.task.has_record:
            return
        outcome = self._run.task.backend.runs.advance_commit(self._run.request, stage, seconds)
        if outcome == Outcome.UNKNOWN:
            raise OutcomeUnknown(self._in_doubt)
        if outcome != Outcome.WRITTEN:
            raise Stopped(outcome)

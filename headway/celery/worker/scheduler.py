"""Starts the tasks that run every so often: each time once, whatever number of workers there is.

Each worker looks at Redis's clock and starts what is due, under an idempotency key that names the
schedule and the time. So none of them has to lead, and no lock has to be given back.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from kombu.exceptions import OperationalError

from headway.celery.backend import LiveBackend
from headway.celery.starting import prepare
from headway.celery.storing.attempts import DEFAULT_ATTEMPTS
from headway.schedules import SCHEDULES, Schedule
from headway.store.errors import RedisUnavailable
from headway.store.model import AlreadyUsed, Outcome

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0  # after a look that failed
POLL_SECONDS = 30.0  # between two looks at least: a pause or another clock is known by then


class Scheduler:
    """Looks at the schedules of this worker's project."""

    def __init__(self, backend: LiveBackend) -> None:
        self._backend = backend
        self._records = backend.records
        self._due_at = 0.0  # monotonic seconds

    def start_due(self) -> None:
        """Start what is due, and do nothing until something will be."""
        if not SCHEDULES or time.monotonic() < self._due_at:
            return
        begun = time.monotonic()
        self._due_at = begun + RETRY_SECONDS  # unless all goes well
        now = self._records.clock.now()
        due = [self._try(each, now) for each in SCHEDULES.values()]
        self._due_at = begun + min(POLL_SECONDS, (min(due) - now) / 1e6)

    def _try(self, schedule: Schedule, now: int) -> int:
        """Do what `_follow` does; a schedule that fails must not keep the others from it."""
        try:
            return self._follow(schedule, now)
        except (RedisUnavailable, OperationalError):
            raise
        except Exception:
            logger.exception("The schedule of %s cannot be followed", schedule.name)
            return now + int(POLL_SECONDS * 1e6)

    def _follow(self, schedule: Schedule, now: int) -> int:
        """Start a schedule's task if it is due; return when it will be next, in microseconds."""
        zone = self._backend.app.timezone
        present = _as_utc(now)
        following = int(schedule.rule.next_after(present, zone).timestamp() * 1e6)
        about = {"title": schedule.title, "rule": schedule.rule.text}
        schedules = self._records.schedules
        settled, is_paused = schedules.see(schedule.name, **about, now=now, following=following)
        due, count = schedule.missed(_as_utc(settled), present, zone)
        if due is None:
            return following
        if is_paused:
            schedules.settle(schedule.name, settled, now)
        else:
            self._start(schedule, settled, now, due, count - 1)
        return following

    def _start(
        self, schedule: Schedule, settled: int, now: int, due: datetime, missed: int
    ) -> None:
        task_id = self._started(schedule, f"schedule {schedule.name} {due.isoformat()}")
        is_first = self._records.schedules.settle(schedule.name, settled, now, task_id, missed)
        if is_first and missed:
            logger.warning(
                "%s runs now: no worker was there when it was due %d times before",
                schedule.name,
                missed,
            )

    def _started(self, schedule: Schedule, key: str) -> str:
        """Start the task of this time, unless another worker has.

        Returns its id, "" where none runs for it.
        """
        task_id, message, turn, _ = prepare(
            self._backend.app, schedule.name, (), {}, queue=schedule.queue, owner=""
        )
        try:
            started = self._records.starts.create(
                owner="",
                message=message,
                title=schedule.title,
                max_attempts=DEFAULT_ATTEMPTS,
                key=key,
                task_id=task_id,
                turn=turn,
            )
        except AlreadyUsed:  # by a worker with other code, such as another queue for it
            return ""
        if started.outcome == Outcome.EXISTING:  # it is unique, and the last run has not ended
            return ""
        if started.outcome == Outcome.CREATED:
            self._backend.outbox.send(task_id, message)
            self._records.outbox.mark_published(task_id)
        return started.task_id


def _as_utc(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)

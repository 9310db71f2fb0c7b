"""When tasks with `every=` or `cron=` run: rules that give the same times in every process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Protocol

from celery.schedules import crontab

PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
IN_SECONDS = (86_400, 3_600, 60, 1)
MAX_SECONDS = 366 * 86_400
CRON_PARTS = 5
MAX_MISSED = 1000  # that are counted; more are as many
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Rule(Protocol):
    """When a task runs; `text` says it to people."""

    @property
    def text(self) -> str: ...

    def next_after(self, after: datetime, zone: tzinfo) -> datetime:
        """Return the first time after an aware one; `zone` is where the clock is read."""


@dataclass(frozen=True)
class Every:
    """A rule of equal intervals, counted from 1970 in UTC: "1d" is each midnight in UTC."""

    text: str
    seconds: int

    def next_after(self, after: datetime, zone: tzinfo) -> datetime:
        passed = int((after - BEGINNING).total_seconds() // self.seconds)
        return BEGINNING + timedelta(seconds=self.seconds * (passed + 1))


@dataclass(frozen=True)
class Cron:
    """A rule of cron's five fields: minute, hour, day of month, month, day of week."""

    text: str

    def next_after(self, after: datetime, zone: tzinfo) -> datetime:
        if self.text.split()[1] != "*":
            return self._next(after, zone)
        # A rule for every hour follows the time that passes: it runs in an hour that comes twice,
        # too, which the wall clock alone cannot tell from the first.
        clock = _clock_at(after, zone)
        due = self._next(after, clock)
        changed = _clock_at(due, zone)
        if changed == clock:
            return due
        due = self._next(after, changed)
        while _clock_at(due, zone) != changed:
            due = self._next(due, changed)
        return due

    def _next(self, after: datetime, zone: tzinfo) -> datetime:
        rule = crontab.from_string(self.text)
        local, delta, _ = rule.remaining_delta(after, zone)
        due: datetime = local + delta
        return due.astimezone(UTC)


def _clock_at(moment: datetime, zone: tzinfo) -> timezone:
    """Return the zone's clock at a moment as one that is never changed."""
    return timezone(moment.astimezone(zone).utcoffset() or timedelta())


@dataclass(frozen=True)
class Schedule:
    """A task that runs by a rule, without arguments."""

    name: str
    title: str
    queue: str
    rule: Rule

    def missed(self, since: datetime, now: datetime, zone: tzinfo) -> tuple[datetime | None, int]:
        """Return the last time between two moments, None for none, and how many there were."""
        last = None
        count = 0
        due = self.rule.next_after(since, zone)
        while due <= now and count < MAX_MISSED:
            last = due
            count += 1
            due = self.rule.next_after(due, zone)
        return last, count


SCHEDULES: dict[str, Schedule] = {}  # by the task's name


def rule_of(every: str | timedelta | None, cron: str | None) -> Rule | None:
    """Return the rule that a task asks for, None for none.

    Raises ValueError for what is no interval ("90s", "15m", "1h30m", "1d") and no cron expression
    ("30 2 * * mon-fri"), and for both at once.
    """
    if every is not None and cron is not None:
        raise ValueError("A task runs by every= or by cron=, not by both.")
    if every is not None:
        return _every(every)
    return None if cron is None else _cron(cron)


def _every(every: str | timedelta) -> Every:
    seconds = every.total_seconds() if isinstance(every, timedelta) else _seconds_of(every)
    if not 1 <= seconds <= MAX_SECONDS or seconds != int(seconds):
        raise ValueError(
            f"every={every!r} is no interval of whole seconds up to a year: '90s', '15m', '1h30m'."
        )
    return Every(f"every {_in_words(int(seconds))}", int(seconds))


def _seconds_of(text: str) -> int:
    found = PARTS.fullmatch(text)
    parts = found.groups("0") if found else ()
    return sum(int(part) * size for part, size in zip(parts, IN_SECONDS, strict=False))


def _in_words(seconds: int) -> str:
    words = []
    for unit, size in zip("dhms", IN_SECONDS, strict=True):
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit if unit != 'm' else 'min'}")
    return " ".join(words)


def _cron(text: str) -> Cron:
    rule = Cron(" ".join(text.split()))
    if len(rule.text.split()) != CRON_PARTS:
        raise ValueError(f"cron={text!r} is not five fields, as in '30 2 * * mon-fri'.")
    try:
        rule.next_after(BEGINNING, UTC)
    except Exception as error:  # Celery's parser raises whatever it meets
        raise ValueError(f"cron={text!r} never comes: {error}") from error
    return rule

"""What Redis keeps of schedules: up to when each is settled, its last run, whether it is paused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headway.store.functions import Functions

KEPT_SECONDS = 30 * 24 * 3600  # after the last worker that knows a schedule


@dataclass(frozen=True)
class KeptSchedule:
    """A schedule as Redis knows it. Times are in microseconds, 0 for none.

    `settled` is up to when its times have had their run or were skipped; `missed` how many went by
    before the last run; `seen` when a worker last looked at it.
    """

    name: str
    title: str
    rule: str
    settled: int
    next: int
    seen: int
    ran_at: int
    task_id: str
    missed: int
    is_paused: bool


class ScheduleRecords:
    """The schedules of a project, for its workers and its operators."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def see(self, name: str, *, title: str, rule: str, now: int, following: int) -> KeptSchedule:
        """Note that a worker knows this schedule, and when it is due next; return what is kept.

        The first time, its times are settled up to now.
        """
        key = self._keys.schedule(name)
        pipeline = self._functions.client.pipeline(transaction=True)
        pipeline.hsetnx(key, "settled", now)
        about: dict[Any, Any] = {"title": title, "rule": rule, "seen": now, "next": following}
        pipeline.hset(key, mapping=about)
        pipeline.expire(key, KEPT_SECONDS)
        pipeline.zadd(self._keys.shared("schedules"), {name: now})
        pipeline.hgetall(key)
        return _kept(name, pipeline.execute()[-1])

    def settle(self, name: str, before: int, now: int, task_id: str = "", missed: int = 0) -> bool:
        """Note a run, or "" for none, for the times up to now; see settle_schedule.lua."""
        args = [before, now, task_id, missed]
        return bool(self._functions.call("settle_schedule", [self._keys.schedule(name)], args))

    def all(self) -> list[KeptSchedule]:
        """Return all schedules, by name."""
        client: Any = self._functions.client
        found = []
        for name in sorted(client.zrange(self._keys.shared("schedules"), 0, -1)):
            if values := client.hgetall(self._keys.schedule(name)):
                found.append(_kept(name, values))
            else:
                client.zrem(self._keys.shared("schedules"), name)
        return found

    def pause(self, name: str, *, is_paused: bool) -> bool:
        """Pause a schedule or have it go on; return False where there is none of this name."""
        client: Any = self._functions.client
        key = self._keys.schedule(name)
        if not client.exists(key):
            return False
        if is_paused:
            client.hset(key, "paused", "1")
        else:
            client.hdel(key, "paused")
        return True


def _kept(name: str, values: dict[str, str]) -> KeptSchedule:
    def number(field: str) -> int:
        return int(values.get(field, 0))

    return KeptSchedule(
        name,
        title=values.get("title", name),
        rule=values.get("rule", ""),
        settled=number("settled"),
        next=number("next"),
        seen=number("seen"),
        ran_at=number("ran_at"),
        task_id=values.get("task_id", ""),
        missed=number("missed"),
        is_paused="paused" in values,
    )

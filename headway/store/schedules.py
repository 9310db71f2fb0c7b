"""What Redis keeps of schedules: up to when each is settled, its last run, whether it is paused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headway.store.damaged import count, unless_damaged
from headway.store.functions import Functions

TTL_SECONDS = 30 * 24 * 3600  # after the last worker that knows a schedule


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule as Redis knows it. Times are in microseconds, 0 for none.

    `missed` is how many of its times went by before the last run, `seen` when a worker last looked
    at it.
    """

    name: str
    title: str
    rule: str
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

    def see(
        self, name: str, *, title: str, rule: str, now: int, following: int
    ) -> tuple[int, bool]:
        """Note that a worker knows this schedule, and that it is due at `following`.

        Returns up to when its times are settled, the first time up to now, and whether it is
        paused.
        """
        keys = [self._keys.schedule(name), self._keys.shared("schedules")]
        args = [name, title, rule, now, following, TTL_SECONDS]
        settled, is_paused = self._functions.call("see_schedule", keys, args)
        return int(settled), bool(is_paused)

    def settle(self, name: str, before: int, now: int, task_id: str = "", missed: int = 0) -> bool:
        """Note a run, or "" for none, for the times up to now; see settle_schedule.lua."""
        args = [before, now, task_id, missed]
        return bool(self._functions.call("settle_schedule", [self._keys.schedule(name)], args))

    def all(self) -> list[StoredSchedule]:
        """Return all schedules, by name."""
        client: Any = self._functions.client
        found = []
        names = unless_damaged([], client.zrange, self._keys.shared("schedules"), 0, -1)
        for name in sorted(names):
            if values := unless_damaged({}, client.hgetall, self._keys.schedule(name)):
                found.append(_stored(name, values))
            else:
                client.zrem(self._keys.shared("schedules"), name)
        return found

    def pause(self, name: str, *, is_paused: bool) -> bool:
        """Pause a schedule or have it go on; return False where there is none of this name."""
        client: Any = self._functions.client
        key = self._keys.schedule(name)
        if not unless_damaged(False, client.hexists, key, "settled"):
            return False
        if is_paused:
            client.hset(key, "paused", "1")
        else:
            client.hdel(key, "paused")
        return True


def _stored(name: str, values: dict[str, str]) -> StoredSchedule:
    return StoredSchedule(
        name,
        title=values.get("title", name),
        rule=values.get("rule", ""),
        next=count(values.get("next")),
        seen=count(values.get("seen")),
        ran_at=count(values.get("ran_at")),
        task_id=values.get("task_id", ""),
        missed=count(values.get("missed")),
        is_paused="paused" in values,
    )

"""How long after each fault's end every page was right: what pages show against what the
records say, all the time.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headway.store.errors import RedisUnavailable
from tests.faults.invariants import FINAL
from tests.faults.load import Start
from tests.faults.system import System
from tests.faults.viewers import MISSING, Watching

ROUND_SECONDS = 0.1
FRESH_SECONDS = 1.0  # what is newer than this may still be on its way to a page
STEADY_SECONDS = 1.5  # a page that is right for so long is right
MAX_IDS = 100
HELD = frozenset({"running", "cancelling"})

Truth = Mapping[str, Mapping[str, Any] | None]


def read(system: System, task_ids: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """Return what the records say, None for what is gone. What has no owner is gone, too: a run
    that went on wrote it anew after Redis was emptied. Raises RedisUnavailable."""
    ids = list(task_ids)
    chunks = [ids[first : first + MAX_IDS] for first in range(0, len(ids), MAX_IDS)]
    found = [stored for chunk in chunks for stored in system.records.read(chunk)]
    return {
        task_id: json.loads(stored.snapshot) if stored and stored.owner else None
        for task_id, stored in zip(ids, found, strict=True)
    }


@dataclass(eq=False)
class Wound:
    """A fault that has ended.

    `held` are the tasks that it held up, each until it has ended, waits again, or its `by`
    ("attempt" of a run that was killed, "version" of one that goes on) has grown beyond the number
    here."""

    held: dict[str, int] = field(default_factory=dict)
    by: str = "attempt"
    ended: float = field(default_factory=time.monotonic)
    moved: float = 0.0
    right_after: float | None = None
    wrong: str = ""  # what was last not right


class Watch:
    """Compares, in a thread of its own, what every page shows with the records, while there is
    a wound to heal.
    """

    def __init__(
        self, system: System, watchers: Sequence[Watching], starts: Callable[[], Sequence[Start]]
    ) -> None:
        self.wounds: list[Wound] = []
        self._system = system
        self._starts = starts
        self._watchers: dict[str, list[Watching]] = defaultdict(list)
        for watcher in watchers:
            self._watchers[watcher.owner].append(watcher)
        self._settled: set[str] = set()
        self._right_since: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def ended(self, held: Mapping[str, int] | None = None, by: str = "attempt") -> Wound:
        """Note that a fault has ended just now."""
        wound = Wound(dict(held or {}), by)
        self.wounds.append(wound)
        return wound

    def forget(self, task_ids: Iterable[str]) -> None:
        """Do not ask any more whether these are shown."""
        self._settled.update(task_ids)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def faults(self, truth: Truth, fresh: float = FRESH_SECONDS) -> list[str]:
        """Return what is wrong with the pages, given the truth of some tasks."""
        found = [
            f"{watcher.owner}'s {type(watcher).__name__} is not live"
            for watchers in self._watchers.values()
            for watcher in watchers
            if not watcher.live()
        ]
        newest = (time.time() - fresh) * 1e6
        for task_id, owner in self._owners().items():
            if task_id in truth:
                found += [
                    f"{owner}'s {type(watcher).__name__} shows version "
                    f"{watcher.version(task_id)} of {truth[task_id]}"
                    for watcher in self._watchers[owner]
                    if not shows(watcher, task_id, truth[task_id], newest)
                ]
        return found

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_SECONDS):
            open_wounds = [wound for wound in self.wounds if wound.right_after is None]
            if not open_wounds:
                self._right_since = None
                continue
            try:
                self._round(open_wounds)
            except RedisUnavailable as error:
                self._note(open_wounds, f"Redis: {error}")

    def _round(self, open_wounds: Sequence[Wound]) -> None:
        now = time.monotonic()
        owners = self._owners()
        held = {task_id for wound in open_wounds for task_id in wound.held}
        truth = read(self._system, (owners.keys() - self._settled) | held)
        wrong = self.faults(truth)
        if wrong:
            self._note(open_wounds, wrong[0])
        else:
            self._right_since = self._right_since or now
            ends = {
                task_id
                for task_id, snapshot in truth.items()
                if not snapshot or snapshot["phase"] in FINAL
            }
            self._settled |= {
                task_id for task_id in ends if self._all_show(task_id, owners, truth[task_id])
            }
        for wound in open_wounds:
            self._heal(wound, truth, now)

    def _note(self, open_wounds: Sequence[Wound], wrong: str) -> None:
        self._right_since = None
        for wound in open_wounds:
            wound.wrong = wrong

    def _heal(self, wound: Wound, truth: Truth, now: float) -> None:
        if wound.held:
            wound.held = {
                each: was for each, was in wound.held.items() if _held(truth[each], wound.by, was)
            }
            wound.moved = now
            wound.wrong = f"held up: {[truth[each] for each in wound.held]}"
        if wound.held or self._right_since is None:
            return
        since = max(wound.ended, wound.moved, self._right_since)
        if now - since >= STEADY_SECONDS:
            wound.right_after = since - wound.ended

    def _owners(self) -> dict[str, str]:
        return {
            task_id: start.owner
            for start in list(self._starts())
            for task_id in list(start.task_ids)
        }

    def _all_show(
        self, task_id: str, owners: Mapping[str, str], snapshot: Mapping[str, Any] | None
    ) -> bool:
        watchers = self._watchers[owners[task_id]] if task_id in owners else ()
        return all(shows(watcher, task_id, snapshot, float("inf")) for watcher in watchers)


def shows(
    watcher: Watching, task_id: str, snapshot: Mapping[str, Any] | None, newest: float
) -> bool:
    """Whether the truth of a task is shown, or is newer than `newest`.

    An end that was seen outlives its record, and may leave a full page.
    """
    version = watcher.version(task_id)
    if snapshot is None:
        return version in (MISSING, None) or watcher.ended(task_id)
    if version is None and snapshot["phase"] in FINAL and watcher.is_full():
        return True
    return snapshot["version"] > newest or (version is not None and version >= snapshot["version"])


def _held(snapshot: Mapping[str, Any] | None, by: str, was: int) -> bool:
    """Whether a record still says that the same runs as did."""
    return snapshot is not None and snapshot["phase"] in HELD and snapshot[by] <= was

"""What must hold of every snapshot that any client saw, whatever broke meanwhile."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

FINAL = frozenset({"succeeded", "failed", "cancelled"})
STATES = {
    "scheduled": "PENDING",
    "queued": "PENDING",
    "retrying": "PENDING",
    "waiting": "PENDING",
    "running": "PROGRESS",
    "cancelling": "PROGRESS",
    "succeeded": "SUCCESS",
    "failed": "FAILURE",
    "cancelled": "REVOKED",
}
# endpoints of which one visitor uses one after the other
MOVING = frozenset({"queue_position", "streams"})  # without another version
ORDERED = frozenset({"ack", "push", "status", "list"})
REFUSAL_SECONDS = 3.0
NOISE_SECONDS = 1.0  # by which a busy machine of two cores may be late


class Seen(NamedTuple):
    """A snapshot as a client saw it.

    `body` stands for all of it but what may differ within one version.
    """

    viewer: str
    endpoint: str
    line: str
    task_id: str
    version: int
    phase: str
    state: str
    attempt: int
    current: Any
    total: Any
    error: str
    body: int

    @property
    def fraction(self) -> float | None:
        numbers = (
            isinstance(self.current, int | float)
            and isinstance(self.total, int | float)
            and self.total > 0
        )
        return self.current / self.total if numbers else None

    def __str__(self) -> str:
        numbers = f"{self.current}/{self.total}"
        return (
            f"{self.version} {self.phase} attempt {self.attempt} {numbers} {self.error} "
            f"({self.viewer}, {self.endpoint})"
        )


class History:
    """All that was seen, by whom and where; any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.by_task: dict[str, list[Seen]] = defaultdict(list)
        self.objections: list[str] = []
        self.unanswered: list[str] = []
        self._bars: dict[str, tuple[int, str, float]] = {}

    def see(self, viewer: str, endpoint: str, line: str, snapshot: dict[str, Any]) -> None:
        """Note a snapshot; `line` names the connection that brought it."""
        same = {key: value for key, value in snapshot.items() if key not in MOVING}
        numbers = (
            snapshot[key]
            for key in ("task_id", "version", "phase", "state", "attempt", "current", "total")
        )
        error = (snapshot["error"] or {}).get("type", "")
        seen = Seen(viewer, endpoint, line, *numbers, error, hash(json.dumps(same, sort_keys=True)))
        with self._lock:
            self.by_task[seen.task_id].append(seen)

    def draw(self, task_id: str, version: int, phase: str, bar: float) -> None:
        """Note what a page drew; versions and bars are compared as they come."""
        with self._lock:
            before = self._bars.get(task_id)
            self._bars[task_id] = version, phase, bar
        if before and before[0] > version:
            self.object_to(f"{task_id}: the page drew version {version} after {before[0]}")
        if before and before[1] in FINAL and phase != before[1] and phase != "missing":
            self.object_to(f"{task_id}: the page drew {phase} after {before[1]}")
        if bar >= 100 and phase != "succeeded":
            self.object_to(f"{task_id}: the page drew 100 % while {phase}")

    def answer(self, request: str, status: int, seconds: float) -> None:
        """Note an HTTP answer; 0 is none at all."""
        if status == 0:
            self.unanswered.append(f"{request} had no answer after {seconds:.1f} s")
        if status >= 500 and status != 503:
            self.object_to(f"{request} was answered {status}")
        if status == 503 and seconds > REFUSAL_SECONDS + NOISE_SECONDS:
            self.object_to(f"{request} was answered 503 only after {seconds:.1f} s")

    def object_to(self, what: str) -> None:
        with self._lock:
            self.objections.append(what)

    def violations(self) -> list[str]:
        """Return each breach of an invariant, with its evidence."""
        with self._lock:
            tasks = {task_id: list(seen) for task_id, seen in self.by_task.items()}
            found = list(self.objections)
        for task_id, seen in tasks.items():
            found += [f"{task_id}: {breach}" for rule in RULES for breach in rule(seen)]
        return found


Rule = Callable[[list[Seen]], Iterable[str]]


def final_is_final(seen: list[Seen]) -> Iterator[str]:
    ends = {(one.version, one.phase) for one in seen if one.phase in FINAL}
    if len(ends) > 1:
        yield f"several ends: {sorted(ends)}"
    if ends:
        first = min(ends)
        yield from (
            f"{first} was final, then {one}"
            for one in seen
            if one.version > first[0] and (one.phase not in FINAL)
        )


def versions_grow(seen: list[Seen]) -> Iterator[str]:
    """At one endpoint one visitor sees versions in their order.

    Pushed ones grow strictly on one socket.
    """
    endpoints: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    for one in seen:
        if one.endpoint in ORDERED:
            endpoints[one.viewer, one.endpoint, one.line].append(one)
    for (_, endpoint, _), ones in endpoints.items():
        for before, after in pairwise(ones):
            if after.version < before.version or (
                endpoint == "push" and after.version == before.version
            ):
                yield f"{after} came after {before}"


def one_version_is_one_truth(seen: list[Seen]) -> Iterator[str]:
    bodies: dict[int, Seen] = {}
    for one in seen:
        other = bodies.setdefault(one.version, one)
        if other.body != one.body:
            yield f"one version, two truths: {other}; {one}"


def attempts_never_fall(seen: list[Seen]) -> Iterator[str]:
    for before, after in _by_version(seen):
        if after.attempt < before.attempt:
            yield f"the attempt fell: {before}, then {after}"


def bars_never_go_back(seen: list[Seen]) -> Iterator[str]:
    for before, after in _by_version(seen):
        if before.attempt == after.attempt and before.state == after.state == "PROGRESS":
            was = before.fraction
            is_ = after.fraction
            if was is not None and is_ is not None and is_ < was:
                yield f"the bar went back: {before}, then {after}"


def words_agree(seen: list[Seen]) -> Iterator[str]:
    for one in seen:
        if STATES[one.phase] != one.state:
            yield f"state {one.state} in {one}"
        if one.phase == "succeeded" and one.fraction != 1:
            yield f"a success that is not full: {one}"
        if one.error and one.phase not in ("failed", "retrying"):
            yield f"an error in {one}"
        if one.phase in ("running", "cancelling") and one.attempt < 1:
            yield f"no attempt in {one}"


RULES: tuple[Rule, ...] = (
    final_is_final,
    versions_grow,
    one_version_is_one_truth,
    attempts_never_fall,
    bars_never_go_back,
    words_agree,
)


def _by_version(seen: list[Seen]) -> Iterable[tuple[Seen, Seen]]:
    return pairwise(sorted(seen, key=lambda one: one.version))

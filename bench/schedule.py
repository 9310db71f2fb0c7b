"""When which task reports: the same schedule for each candidate of a row."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

# (seconds from the begin, room), in the order of time
Schedule: TypeAlias = list[tuple[float, str]]
Pace: TypeAlias = Callable[[Sequence[str], float, float], Schedule]

SEED = 20261128


def evenly(rooms: Sequence[str], rate: float, seconds: float) -> Schedule:
    """Return `rate` reports a second, at equal distances and of each room in turn.

    One of each room at least.
    """
    reports = max(len(rooms), round(rate * seconds))
    return [(n / rate, rooms[n % len(rooms)]) for n in range(reports)]


def at_random(rooms: Sequence[str], rate: float, seconds: float) -> Schedule:
    """Return reports as tasks make them that know nothing of each other: Poisson, `rate` a
    second together.
    """
    dice = random.Random(SEED)
    schedule = []
    at = 0.0
    while at < seconds:
        schedule.append((at, dice.choice(rooms)))
        at += dice.expovariate(rate)
    return schedule

"""How fast a task got on, and how long it was estimated to take; pace.js has the same."""

from __future__ import annotations

from collections.abc import Sequence

from headway.store.model import Point

SMOOTHING = 0.3  # as tqdm's
QUIET_MS = 2000
MIN_UPDATES = 3
STEADY = 0.15  # of the rate: varies less than this, one number says it
WILD = 0.5  # varies more than this, no number does
MAX_SECONDS = 1e9  # some 30 years: beyond this nobody could tell

Range = tuple[float, float]  # least and most


class Pace:
    """A moving mean of a rate, and by how much it varies."""

    def __init__(self, first: Point) -> None:
        self.last = first
        self._begun = first.at
        self._rate = 0.0  # per second
        self._spread = 0.0
        self._updates = 0

    def observe(self, point: Point) -> None:
        """Take in the next point; where progress goes back, the mean starts over."""
        if point.current < self.last.current:
            self._restart(point)
        if point.current <= self.last.current or point.at <= self.last.at:
            return
        rate = 1000 * (point.current - self.last.current) / (point.at - self.last.at)
        weight = SMOOTHING if self._updates else 1.0
        off = abs(rate - self._rate) if self._updates else 0.0
        self._updates += 1
        self._spread += weight * (off - self._spread)
        self._rate += weight * (rate - self._rate)
        self.last = point

    def _restart(self, first: Point) -> None:
        self.last = first
        self._begun = first.at
        self._rate = 0.0
        self._spread = 0.0
        self._updates = 0

    def left(self) -> Range | None:
        """Return the seconds to go from the last point on; None where nobody could tell."""
        total = self.last.total
        is_early = self.last.at - self._begun < QUIET_MS or self._updates < MIN_UPDATES
        if is_early or total is None or not self._rate or self._spread / self._rate > WILD:
            return None
        doubt = self._spread / self._rate
        to_go = (total - self.last.current) / self._rate
        if to_go > MAX_SECONDS:
            return None
        return (to_go, to_go) if doubt < STEADY else (to_go / (1 + doubt), to_go / (1 - doubt))


def estimates(points: Sequence[Point]) -> list[Range | None]:
    """Return, for each point, how many ms the whole was estimated to take from the first on."""
    found: list[Range | None] = []
    pace = Pace(points[0])
    for point in points:
        pace.observe(point)
        left = pace.left()
        since = pace.last.at - points[0].at
        found.append((since + 1000 * left[0], since + 1000 * left[1]) if left else None)
    return found

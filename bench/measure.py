"""How a row measures: its candidates, one after the other and again, under a load that is
counted at both ends.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.candidates import Candidate, Web
from bench.machine import cpu_seconds
from bench.processes import Failed
from bench.schedule import Pace, Schedule, evenly
from bench.swarm import Crowd, Swarm

DRAIN_SECONDS = 0.3  # for what is on its way when the last report has been made
BEHIND = 0.05

C = TypeVar("C", bound=Candidate)
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    seconds: float = 4.0  # a window
    warm_seconds: float = 1.5
    crowd: int = 500  # viewers in one room
    idle: int = 900  # with the warm ones, below the 1,024 that eventlet serves by default
    settle_seconds: float = 1.0  # before memory is looked at
    connections: int = 10_000
    beyond: int = 1100  # more than the 1,024 connections that eventlet serves unless told otherwise
    hold_seconds: float = 15.0  # long enough for each socket's ping
    stalled_seconds: float = 60.0
    listed: int = 10_000  # tasks of one owner
    waiting: int = 10_000  # for an answer, or for their turn
    drawn_steps: int = 100
    running: int = 200  # cards of a list
    visits: int = 20  # of new visitors


QUICK = Plan(
    rounds=1,
    seconds=0.5,
    warm_seconds=0.2,
    crowd=100,
    idle=200,
    settle_seconds=0.2,
    connections=300,
    beyond=0,
    hold_seconds=0.5,
    stalled_seconds=2.0,
    drawn_steps=10,
    listed=500,
    waiting=300,
    running=20,
    visits=2,
)


@dataclass(frozen=True)
class Load:
    """What one window has shown."""

    reports: int
    delivered: int
    missing: int  # deliveries less than one of each report to each viewer: merged, or lost
    web_cpu: float  # seconds, as the two below
    redis_cpu: float
    reporter_cpu: float
    latencies: Sequence[int]  # nanoseconds, sorted
    client: float  # the swarm's share of a core
    asked: float  # reports a second, as the schedule has them
    rate: float  # and as they came out

    def latency(self, share: float) -> float:
        """Return the quantile in milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] / 1e6

    @property
    def per_delivery(self) -> float:
        """Return the web's CPU time for a delivery, in microseconds."""
        return self.web_cpu / self.delivered * 1e6


class Bench:
    """A run of the bench: its plan, its viewers, and its candidates, each started when it is
    first asked for.
    """

    def __init__(self, plan: Plan, folder: Path, started: ExitStack) -> None:
        self.plan = plan
        self.folder = folder
        self.swarm = Swarm()
        self._started = started
        self._candidates: dict[type[Candidate], Candidate] = {}

    def candidates(self, *kinds: type[Candidate]) -> list[Candidate]:
        """Return these candidates; those that are not there yet are started, all at once."""
        new = [kind for kind in kinds if kind not in self._candidates]
        started = {kind: kind(self.folder / kind.__name__, self._started) for kind in new}
        for kind, candidate in started.items():
            candidate.wait()
            self._candidates[kind] = candidate
        return [self._candidates[kind] for kind in kinds]

    def candidate(self, kind: type[C]) -> C:
        [found] = self.candidates(kind)
        assert isinstance(found, kind)
        return found

    def load(
        self,
        candidate: Candidate,
        crowds: Sequence[Crowd],
        rooms: Sequence[str],
        *,
        rate: float,
        seconds: float,
        pace: Pace = evenly,
        webs: Sequence[Web] = (),
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Load:
        """Have a candidate report for these rooms, `rate` reports a second together, and count what
        comes.

        Raises Failed where a viewer did not get the last report of its room from one that promises
        it.
        """
        pids = [web.pid for web in webs or [candidate.web]]
        for crowd in crowds:
            crowd.forget()
        reporter = candidate.reporter
        schedule = pace(rooms, rate, seconds)
        cpu = sum(map(cpu_seconds, pids))
        redis_cpu = cpu_seconds(candidate.valkey.process.pid)
        client = time.process_time()
        begun = time.monotonic()
        reporter.ask("report", schedule=schedule)

        def done() -> bool:
            meanwhile()
            return reporter.answered()

        self.swarm.run_until(done, seconds * 4 + 10)
        if not reporter.answered():  # to wait on would leave the viewers' pings without an answer
            raise Failed(
                f"{candidate.name}: its reporter falls far behind {rate:g} reports a second"
            )
        told = reporter.answer()
        if candidate.keeps_last:
            self.swarm.run_until(lambda: not behind(crowds, told["last"]), DRAIN_SECONDS * 10)
        self.swarm.run(DRAIN_SECONDS)
        late = behind(crowds, told["last"])
        if late and candidate.keeps_last:
            raise Failed(
                f"{candidate.name}: {late} viewers did not get the last report of their room"
            )
        delivered = sum(crowd.events for crowd in crowds)
        return Load(
            reports=len(schedule),
            delivered=delivered,
            missing=_expected(crowds, schedule) - delivered,
            web_cpu=sum(map(cpu_seconds, pids)) - cpu,
            redis_cpu=cpu_seconds(candidate.valkey.process.pid) - redis_cpu,
            reporter_cpu=told["cpu"],
            latencies=sorted(latency for crowd in crowds for latency in crowd.latencies),
            client=(time.process_time() - client) / (time.monotonic() - begun),
            asked=len(schedule) / max(seconds, schedule[-1][0]),
            rate=len(schedule) / max(seconds, told["seconds"]),
        )

    def loads(
        self,
        candidates: Iterable[Candidate],
        viewers: Callable[[list[str]], list[list[str]]],
        count: int,
        rate: float,
        pace: Pace = evenly,
    ) -> dict[str, list[Load]]:
        """Load each candidate in turn, round after round, with `count` rooms and the viewers
        that are made of them.
        """
        found: dict[str, list[Load]] = {}
        stages = []
        for candidate in candidates:
            rooms = candidate.rooms(count)
            crowd = candidate.crowd()
            self.swarm.add(crowd, viewers(rooms))
            self.load(
                candidate, [crowd], rooms, rate=rate, seconds=self.plan.warm_seconds, pace=pace
            )
            stages.append((candidate, crowd, rooms))
        for _ in range(self.plan.rounds):
            for candidate, crowd, rooms in stages:
                load = self.load(
                    candidate, [crowd], rooms, rate=rate, seconds=self.plan.seconds, pace=pace
                )
                found.setdefault(candidate.name, []).append(load)
        for _, crowd, _ in stages:
            self.swarm.dismiss(crowd)
        return found

    def in_turn(self, measures: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
        """Take each measure in turn, round after round."""
        found: dict[str, list[T]] = {name: [] for name in measures}
        for _ in range(self.plan.rounds):
            for name, measure in measures.items():
                found[name].append(measure())
        return found


def behind(crowds: Iterable[Crowd], last: Mapping[str, int]) -> int:
    """Return how many viewers have not got the last report of their room."""
    return sum(
        viewer.last != last.get(viewer.rooms[0], viewer.last)
        for crowd in crowds
        for viewer in crowd.viewers
    )


def _expected(crowds: Iterable[Crowd], schedule: Schedule) -> int:
    of_room = Counter(room for _, room in schedule)
    return sum(of_room[viewer.rooms[0]] for crowd in crowds for viewer in crowd.viewers)


def median(loads: Iterable[Load], of: Callable[[Load], float]) -> float:
    return statistics.median(of(load) for load in loads)


def busiest(loads: Mapping[str, Sequence[Load]]) -> float:
    """Return the client's largest share of a core."""
    return max(load.client for each in loads.values() for load in each)


def notes_on(loads: Mapping[str, Sequence[Load]]) -> list[str]:
    """Say what has to be known of these loads: what did not come, which reporter fell behind."""
    notes = []
    for name, each in loads.items():
        if missing := sum(load.missing for load in each):
            whole = missing + sum(load.delivered for load in each)
            notes.append(
                f"{name}: {missing} of {whole} deliveries were merged into later ones, or lost"
            )
        slowest = min(each, key=lambda load: load.rate / load.asked)
        if slowest.rate < slowest.asked * (1 - BEHIND):
            notes.append(
                f"{name}: its reporter came to {slowest.rate:.0f} reports a second, not "
                f"{slowest.asked:.0f}"
            )
    return notes

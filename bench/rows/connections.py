"""What connections cost while they are idle, many, or not read."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.candidates import Candidate, Headway, Node, Pattern, Web
from bench.machine import allow_many_files, memory_bytes
from bench.measure import Bench, Load, behind, busiest, notes_on
from bench.processes import Failed
from bench.rows.delivery import RATE, ROOMS, one_each
from bench.schedule import evenly
from bench.swarm import Crowd, Viewer
from bench.table import Comparison, Row

WARM = 100  # connections before the first look: what the process needs once
SPARE_FILES = 500
CONNECT_SECONDS = 120.0
RETURN_SECONDS = 60.0
BEYOND_SECONDS = 10.0
CURRENT_SECONDS = 10.0
MEGABYTE = 1e6
CONTROL_SHARE = 6  # the windows in which everybody reads are so much shorter
WATCHED = 10
NOISE = 1.25
SMALL_BUFFER = 4096


def memory(bench: Bench) -> Row:
    found = {
        each.name: _memory_each(bench, each) for each in bench.candidates(Headway, Pattern, Node)
    }
    ours = found[Headway.name]
    return Row(
        f"memory of an idle websocket, of {bench.plan.idle}",
        [
            Comparison("each", ours, "kB", Pattern.name, found[Pattern.name], 0.5),
            Comparison("each", ours, "kB", Node.name, found[Node.name]),
        ],
        costs={"socket_kb": ours},
    )


def _memory_each(bench: Bench, candidate: Candidate) -> float:
    """Return the kB that a connected viewer of a room takes in a web process of its own."""
    web = candidate.another_web()
    rooms = candidate.rooms(ROOMS)
    crowd = candidate.crowd(web)
    bench.swarm.add(crowd, [[rooms[n % ROOMS]] for n in range(WARM)])
    bench.swarm.run(bench.plan.settle_seconds)
    before = memory_bytes(web.pid)
    bench.swarm.add(crowd, [[rooms[n % ROOMS]] for n in range(bench.plan.idle)])
    bench.swarm.run(bench.plan.settle_seconds)
    grown = memory_bytes(web.pid) - before
    bench.swarm.dismiss(crowd)
    web.process.stop()
    return grown / bench.plan.idle / 1000


def connections(bench: Bench) -> Row:
    candidate = bench.candidate(Headway)
    wanted = bench.plan.connections
    most = allow_many_files() - SPARE_FILES
    count = min(wanted, most)
    web = candidate.another_web()
    rooms = candidate.rooms(ROOMS)
    crowd = candidate.crowd(web)
    notes = [] if count == wanted else [f"this machine allows a process {most} connections"]
    begun = time.monotonic()
    try:
        bench.swarm.add(crowd, [[rooms[n % ROOMS]] for n in range(count)], CONNECT_SECONDS)
    except Failed as failed:
        notes.append(str(failed))
    notes.append(
        f"{crowd.ready} connected in {time.monotonic() - begun:.1f} s, after "
        f"{crowd.refusals} refusals"
    )
    bench.swarm.run(bench.plan.hold_seconds)
    served = _served(bench, candidate, crowd, rooms)
    before = memory_bytes(web.pid)
    took, current = _restart(bench, candidate, web, crowd, rooms)
    notes.append(f"{current} of {count} were current {took:.1f} s after a new process was launched")
    notes.append(f"the process held them in {before / 1e6:.0f} MB")
    bench.swarm.dismiss(crowd)
    row = Row(
        "connections held by one process",
        [
            Comparison("live and served", served, "", "wanted", wanted, 1.0, at_least=True),
            Comparison("current after its restart", took, "s", "allowed", CURRENT_SECONDS, 1.0),
        ],
        notes,
    )
    if bench.plan.beyond:
        row.comparisons.append(
            Comparison("live and served", served, "", Pattern.name, _served_by_default(bench))
        )
    return row


def _served(bench: Bench, candidate: Candidate, crowd: Crowd, rooms: list[str]) -> int:
    """Return how many get a report of their room."""
    last = candidate.reporter.call("report", schedule=evenly(rooms, ROOMS, 1.0))["last"]
    bench.swarm.run_until(lambda: not behind([crowd], last), CURRENT_SECONDS)
    return len(crowd.viewers) - behind([crowd], last)


def _restart(
    bench: Bench, candidate: Candidate, web: Web, crowd: Crowd, rooms: list[str]
) -> tuple[float, int]:
    """Stop the process, report meanwhile, and restart it.

    Returns how long it took until all were current, and how many
    were so in the end."""
    bench.swarm.come_back(crowd)
    web.process.stop()
    last = candidate.reporter.call("report", schedule=evenly(rooms, 10 * ROOMS, 0.1))["last"]
    begun = time.monotonic()
    new = candidate.launch_web(web.port)
    bench.swarm.run_until(lambda: not behind([crowd], last), RETURN_SECONDS)
    took = time.monotonic() - begun
    current = len(crowd.viewers) - behind([crowd], last)
    new.process.stop()
    return took, current


def _served_by_default(bench: Bench) -> int:
    """Return how many the pattern serves as it is documented, where a few more than its limit
    come.
    """
    candidate = bench.candidate(Pattern)
    web = candidate.another_web()
    crowd = candidate.crowd(web)
    try:
        bench.swarm.add(crowd, [candidate.rooms(1)] * bench.plan.beyond, BEYOND_SECONDS)
    except Failed:
        return crowd.ready
    finally:
        bench.swarm.dismiss(crowd)
        web.process.stop()
    return bench.plan.beyond


@dataclass
class Stalled:
    """Somebody who watches everything and reads nothing, and who comes again when the server
    has had enough.
    """

    bench: Bench
    crowd: Crowd
    rooms: list[str]
    pid: int
    came: int = 0
    peak: int = 0
    looked_at: float = 0.0
    viewer: Viewer | None = None

    def look(self) -> None:
        """Note the process's memory, each second; begin again where the connection was ended."""
        if self.viewer is None or self.viewer.socket is None:
            self.came += 1
            self.viewer = Viewer(self.crowd, self.rooms)
            self.bench.swarm.connect(self.viewer, SMALL_BUFFER)
        elif self.viewer.ready:
            self.bench.swarm.stop_reading(self.viewer)
        if time.monotonic() - self.looked_at >= 1.0:
            self.looked_at = time.monotonic()
            self.peak = max(self.peak, memory_bytes(self.pid))


def stalled(bench: Bench) -> Row:
    candidate = bench.candidate(Headway)
    web = candidate.another_web()
    rooms = candidate.rooms(ROOMS)
    crowd = candidate.crowd(web)
    reader = candidate.crowd(web)
    bench.swarm.add(crowd, one_each(rooms[:WATCHED]))
    bench.swarm.add(reader, [rooms])  # the same as the one who reads nothing, who takes the place
    long = bench.plan.stalled_seconds

    def window(seconds: float, stalled: Stalled | None = None) -> Load:
        meanwhile = stalled.look if stalled else lambda: None
        return bench.load(
            candidate, [crowd], rooms, rate=RATE, seconds=seconds, webs=[web], meanwhile=meanwhile
        )

    window(bench.plan.warm_seconds)
    without = [window(long / CONTROL_SHARE) for _ in range(2)]
    bench.swarm.dismiss(reader)
    before = memory_bytes(web.pid)
    who = Stalled(bench, candidate.crowd(web), rooms, web.pid)
    with_one = window(long, who)
    grown = max(0, who.peak - before)
    if who.viewer is not None:
        who.crowd.viewers.append(who.viewer)
        bench.swarm.dismiss(who.crowd)
    bench.swarm.add(reader, [rooms])
    without.append(window(long / CONTROL_SHARE))
    for each in (crowd, reader):
        bench.swarm.dismiss(each)
    web.process.stop()
    usual = max(load.latency(0.99) for load in without)
    return Row(
        f"a client that reads nothing, 1,000 reports/s for {long:g} s",
        [
            Comparison("memory grown by", grown / MEGABYTE, "MB", "allowed", 1.0, 1.0),
            Comparison(
                "p99 of the others",
                with_one.latency(0.99),
                "ms",
                "at most when it reads",
                usual,
                NOISE,
            ),
        ],
        [
            f"it was ended, and came again, {who.came - 1} times",
            "p99 of the others when it reads: "
            f"{', '.join(f'{load.latency(0.99):.1f}' for load in without)} ms",
            *notes_on({Headway.name: [*without, with_one]}),
        ],
        client=busiest({Headway.name: [*without, with_one]}),
    )

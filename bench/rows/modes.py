"""What Headway costs, and how long it takes, in each async mode."""

from __future__ import annotations

from bench.candidates import (
    Headway,
    HeadwayGevent,
    HeadwayGunicorn,
    HeadwayThreading,
    Node,
    Pattern,
    Web,
)
from bench.machine import cpu_seconds, memory_bytes
from bench.measure import Bench, busiest, median, notes_on
from bench.rows.delivery import RATE, REPORTING_TASKS, ROOMS, SLOW_RATE, one_each
from bench.schedule import at_random
from bench.table import Comparison, Row

MODES = ("eventlet", "gevent", "threading")
WARM = 100  # connections before the first look: what the process needs once
MOST_KB = 6.0
MOST_US = 2.0
SLOWER = 1.2  # what another mode may take, of eventlet's time
CHEAPER = {Pattern: 0.4, Node: 0.8}


def modes(bench: Bench) -> Row:
    candidate = bench.candidate(Headway)
    comparisons = []
    for mode in MODES:
        memory, cpu = _each(bench, candidate, mode)
        comparisons += [
            Comparison(f"memory of each, {mode}", memory, "kB", "allowed", MOST_KB, 1.0),
            Comparison(f"CPU of each in a second, {mode}", cpu, "us", "allowed", MOST_US, 1.0),
        ]
    return Row(f"an idle websocket in each async mode, of {bench.plan.idle}", comparisons)


def _each(bench: Bench, candidate: Headway, mode: str) -> tuple[float, float]:
    """Return the kB, and the us of CPU in a second, that a viewer of a room takes."""
    web = candidate.another_web(SOCKETIO_ASYNC_MODE=mode)
    rooms = candidate.rooms(ROOMS)
    crowd = candidate.crowd(web)
    bench.swarm.add(crowd, [[rooms[n % ROOMS]] for n in range(WARM)])
    bench.swarm.run(bench.plan.settle_seconds)
    memory = memory_bytes(web.pid)
    cpu = _cpu(bench, web)
    bench.swarm.add(crowd, [[rooms[n % ROOMS]] for n in range(bench.plan.idle)])
    bench.swarm.run(bench.plan.settle_seconds)
    memory = memory_bytes(web.pid) - memory
    cpu = _cpu(bench, web) - cpu
    bench.swarm.dismiss(crowd)
    web.process.stop()
    return memory / bench.plan.idle / 1e3, cpu / bench.plan.idle * 1e6


def _cpu(bench: Bench, web: Web) -> float:
    """Return the CPU that a process takes in a second in which nobody reports."""
    before = cpu_seconds(web.pid)
    bench.swarm.run(bench.plan.hold_seconds)
    return (cpu_seconds(web.pid) - before) / bench.plan.hold_seconds


def latency_modes(bench: Bench) -> Row:
    return _latency(bench, SLOW_RATE)


def latency_modes_busy(bench: Bench) -> Row:
    return _latency(bench, RATE)


def _latency(bench: Bench, rate: float) -> Row:
    others = (HeadwayGevent, HeadwayThreading, HeadwayGunicorn)
    candidates = bench.candidates(Headway, *others)
    found = bench.loads(candidates, one_each, REPORTING_TASKS, rate, at_random)

    def compare(what: str, share: float, other: type[Headway]) -> Comparison:
        figure, peer_figure = (
            median(found[kind.name], lambda load: load.latency(share)) for kind in (other, Headway)
        )
        name = f"{what}, {other.name.partition(', ')[2]}"
        return Comparison(name, figure, "ms", Headway.mode, peer_figure, SLOWER)

    return Row(
        f"from a worker's report to the client in each async mode: {REPORTING_TASKS} tasks, "
        f"{rate:,.0f} reports/s at random times",
        [
            compare(what, share, other)
            for what, share in (("p50", 0.5), ("p99", 0.99))
            for other in others
        ],
        notes_on(found),
        client=busiest(found),
    )


def rooms_modes(bench: Bench) -> Row:
    modes = (Headway, HeadwayGevent, HeadwayThreading)
    found = bench.loads(bench.candidates(*modes, *CHEAPER), one_each, ROOMS, RATE)
    cpu = {name: median(loads, lambda load: load.per_delivery) for name, loads in found.items()}
    return Row(
        f"web CPU in each async mode: {ROOMS} rooms of one viewer, {RATE:,.0f} reports/s",
        [
            Comparison(
                f"a delivery, {kind.mode}", cpu[kind.name], "µs", peer.name, cpu[peer.name], bar
            )
            for kind in modes
            for peer, bar in CHEAPER.items()
        ],
        notes_on(found),
        client=busiest(found),
    )

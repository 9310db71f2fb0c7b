"""What an idle websocket costs in each async mode."""

from __future__ import annotations

from bench.candidates import Headway, Web
from bench.machine import cpu_seconds, memory_bytes
from bench.measure import Bench
from bench.rows.delivery import ROOMS
from bench.table import Comparison, Row

MODES = ("eventlet", "gevent", "threading")
WARM = 100  # connections before the first look: what the process needs once
MOST_KB = 6.0
MOST_US = 2.0


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

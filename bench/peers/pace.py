"""Parts of the Python helpers: a loop that answers requests, a task's run, a reporting pace."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from celery.app.trace import build_tracer

TOTAL = 10**9
STATUS = "Booting silent orbiter..."
IN_TURN = 5  # calls of a body before the next one's

_done = count()  # never falls: Headway lets no bar go back


def serve(actions: Mapping[str, Callable[..., Any]]) -> None:
    """Do what each line of standard input asks for, `{"do": action, ...}`, until it ends."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)  # what others print is no answer
        answers.write('"ready"\n')
        for line in sys.stdin:
            request = json.loads(line)
            answers.write(json.dumps(actions[request.pop("do")](**request)) + "\n")


def run(task: Any, task_id: str = "", **kwargs: Any) -> Any:
    """Run a Celery task as a worker's pool process does, and return what it returns."""
    task_id = task_id or str(uuid4())
    request = {
        "id": task_id,
        "task": task.name,
        "retries": 0,
        "delivery_info": {"exchange": "", "routing_key": "celery"},
    }
    returned = build_tracer(task.name, task, app=task.app)(task_id, (), kwargs, request)
    if returned.info is not None:
        raise RuntimeError(str(returned.retval))
    return returned.retval


def report(
    say: Callable[[str, int, str], object], schedule: Sequence[tuple[float, str]]
) -> dict[str, Any]:
    """Report as the schedule says, `(seconds from now, room)` each.

    `say` takes the room, how far, a line of text.

    Each report's text carries the moment at which it was made. Returns how long it took, this
    process's CPU time, and each room's last moment.
    """
    last = {}
    cpu = time.process_time()
    begun = time.perf_counter()
    for at, room in schedule:
        wait = begun + at - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        last[room] = time.monotonic_ns()
        say(room, next(_done), f"{STATUS} @{last[room]}")
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "last": last}


def cost(
    seconds: float, body: Callable[[], object], work_seconds: float = 0.0, together: int = 1
) -> float:
    """Call the body for so long, with so much work of the task's own before each call.

    Returns the median of a call, in seconds, with so many timed together. One body alone: what it
    leaves behind would slow another one down.
    """
    taken = []
    deadline = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < deadline:
        while time.perf_counter() - begun < work_seconds:
            pass
        called = time.perf_counter()
        for _ in range(together):
            body()
        taken.append((time.perf_counter() - called) / together)
    return statistics.median(taken)


def in_turn(
    seconds: float, cpu: Callable[[], float], **bodies: Callable[[], object]
) -> dict[str, dict[str, float]]:
    """Call each body a few times, then all of them in the other order, and so on for so long.

    Returns the medians of each: the "seconds" of a call, and its "cpu" by this clock. What else the
    machine does falls on all of them alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in bodies}
    used: dict[str, list[float]] = {name: [] for name in bodies}
    order = list(bodies)
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for name in order:
            cpu_before = cpu()
            for _ in range(IN_TURN):
                called = time.perf_counter()
                bodies[name]()
                taken[name].append(time.perf_counter() - called)
            used[name].append((cpu() - cpu_before) / IN_TURN)
        order.reverse()
    return {
        name: {"seconds": statistics.median(taken[name]), "cpu": statistics.median(used[name])}
        for name in bodies
    }


def starts(seconds: float, body: Callable[[], object]) -> dict[str, float]:
    """Call the body for so long; return the median of a call and its CPU here, in seconds."""
    calls = 0

    def counted() -> None:
        nonlocal calls
        body()
        calls += 1

    cpu = time.process_time()
    median = cost(seconds, counted)
    return {"median": median, "cpu": (time.process_time() - cpu) / calls}


def per_turn(seconds: float, **loops: Callable[[int], object]) -> dict[str, float]:
    """Run each loop, a function of how often it turns, for about so long.

    Returns the seconds a turn.
    """
    found = {}
    for name, loop in loops.items():
        turns = 1000
        taken = 0.0
        while (taken := _timed(loop, turns)) < seconds / 10:
            turns *= 4
        turns = int(turns * seconds / taken)
        found[name] = _timed(loop, turns) / turns
    return found


def _timed(loop: Callable[[int], object], turns: int) -> float:
    begun = time.perf_counter()
    loop(turns)
    return time.perf_counter() - begun

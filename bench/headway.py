"""Headway's own side: a process that reports as a worker's pool process does, over the real backend
and records.

`python -m bench.headway`, with the settings of a worker in the environment.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from celery.app.task import Context
from tqdm import tqdm

from app import create_app
from bench import asking
from bench.machine import cpu_seconds
from bench.peers import pace
from headway import progress, service
from headway.celery.backend import LiveBackend
from headway.celery.storing.fencing import CLAIMED, FENCE, delivery_of
from headway.celery.worker.live_tasks import make_all_live
from headway.shapes import TaskMessage
from headway.store.records import Records
from headway.turns import Turn

WORDS = ["token "] * 5000
MESSAGE: TaskMessage = {
    "task": "bench",
    "args": [],
    "kwargs": {},
    "options": {"queue": "celery"},
}

_runs: dict[str, Context] = {}


def report(task: Any, **asked: Any) -> dict[str, Any]:
    """Report for the tasks that are the rooms, each of which this process claims as its worker
    does.
    """

    def say(task_id: str, done: int, status: str) -> None:
        meta = {"current": done, "total": pace.TOTAL, "status": status}
        outcome = task.backend.runs.report(_run_of(task_id, task.backend), "PROGRESS", meta)
        assert outcome == "written", outcome

    return pace.report(say, **asked)


def cost(task: Any, what: str = "report", **asked: Any) -> float:
    """Report as a task does, by Celery's own call or by Headway's; or ask Redis for nothing."""
    done = count()

    def update_state() -> None:
        task.update_state(
            state="PROGRESS",
            meta={"current": next(done), "total": pace.TOTAL, "status": pace.STATUS},
        )

    def say() -> None:
        progress.set(current=next(done), total=pace.TOTAL, status=pace.STATUS)

    bodies = {
        "report": update_state,
        "say": say,
        "ping": task.backend.records.client.ping,
    }
    return pace.cost(body=bodies[what], **asked)


def save(task: Any, seconds: float, redis_pid: int) -> dict[str, dict[str, float]]:
    """Save another value with each report, or wait for each report alone; return what a call of
    either takes, and the CPU of this task and of Redis in it.
    """
    done = count()

    def say() -> int:
        row = next(done)
        progress.set(current=row, total=pace.TOTAL, status=pace.STATUS)
        return row

    def report_alone() -> None:
        say()
        progress.flush()

    def report_and_save() -> None:
        progress.save({"row": say()})

    def cpu() -> float:
        return time.thread_time() + cpu_seconds(redis_pid)

    return pace.in_turn(seconds, cpu, report=report_alone, save=report_and_save)


def update(task: Any, seconds: float) -> dict[str, float]:
    def headway(turns: int) -> None:
        progress.set(current=0, total=turns)
        for _ in range(turns):
            progress.update()

    def bar(turns: int) -> None:
        with open(os.devnull, "w") as nowhere, tqdm(total=turns, file=nowhere) as drawn:
            for _ in range(turns):
                drawn.update()

    return pace.per_turn(seconds, headway=headway, tqdm=bar)


def track(task: Any, seconds: float) -> dict[str, float]:
    def bare(turns: int) -> None:
        for _ in range(turns):
            pass

    def headway(turns: int) -> None:
        for _ in progress.track(range(turns)):
            pass

    def bar(turns: int) -> None:
        with open(os.devnull, "w") as nowhere:
            for _ in tqdm(range(turns), file=nowhere):
                pass

    return pace.per_turn(seconds, bare=bare, headway=headway, tqdm=bar)


def stream(task: Any, bursts: int) -> dict[str, float]:
    """Write words to a stream, and to a file; return the seconds of a call in the fastest burst.

    Between bursts the words are sent, as those of a model are while it makes the next.
    """
    took: dict[str, list[float]] = {"headway": [], "file": []}
    with progress.stream("words") as out, open(os.devnull, "w") as nowhere:
        for _ in range(bursts):
            for name, write in (("headway", out.write), ("file", nowhere.write)):
                began = time.perf_counter()
                for word in WORDS:
                    write(word)
                took[name].append((time.perf_counter() - began) / len(WORDS))
            progress.flush()
    return {name: min(each) for name, each in took.items()}


def tokens(task: Any, rate: float, seconds: float) -> list[float]:
    """Write words to a stream at an even rate; each is the moment of its writing. Return them."""
    words = []
    began = time.monotonic()
    with progress.stream("words") as out:
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            word = f"{time.monotonic():.6f}"
            out.write(f"{word} ")
            words.append(float(word))
    return words


def turns(task: Any, count: int, limit: int) -> dict[str, float]:
    """Have one owner line tasks up, and then another start one; return how it stands."""
    records: Records = task.backend.records
    list_before = records.client.llen("celery")

    def create(owner: str) -> float:
        began = time.perf_counter()
        turn = Turn(line=f"{limit} digest")
        options: dict[str, Any] = {"encoded": "a message", "turn": turn}
        records.starts.create(
            owner=owner, message=MESSAGE, title="bench", max_attempts=1, **options
        )
        return time.perf_counter() - began

    took = [create("one of many") for _ in range(count)]
    create("another")
    ahead = records.client.llen("celery") - list_before - 1
    some = max(1, count // 10)
    first, last = (statistics.median(each) for each in (took[:some], took[-some:]))
    return {"ahead": ahead, "first": first, "last": last}


def _run_of(task_id: str, backend: LiveBackend) -> Context:
    if task_id not in _runs:
        request = _runs[task_id] = Context(
            id=task_id, task="bench", retries=0, replaced_task_nesting=0
        )
        setattr(request, FENCE, uuid4().hex)
        about: dict[str, Any] = {"message": MESSAGE, "max_attempts": 1, "hostname": "bench"}
        backend.records.runs.claim(task_id, delivery_of(request), "run", **about)
    return _runs[task_id]


def main() -> None:
    app = create_app({"SOCKETIO_ASYNC_MODE": "threading"})
    within: dict[str, Callable[..., Any]] = {
        "report": report,
        "cost": cost,
        "save": save,
        "update": update,
        "track": track,
        "stream": stream,
        "tokens": tokens,
        "turns": turns,
    }

    @app.extensions["headway"].celery.task(name="bench", bind=True)
    def bench(self: Any, action: str, **asked: Any) -> Any:
        if not getattr(self.request, CLAIMED, None):
            # What it reports would cost nothing, and go nowhere.
            raise RuntimeError("This run is not live.")
        return within[action](self, **asked)

    make_all_live(app.extensions["headway"].celery)  # as a worker does

    def start(seconds: float) -> dict[str, float]:
        with app.app_context():
            return pace.starts(seconds, lambda: service.start("long_task", {}, owner="bench"))

    backend = app.extensions["headway"].celery.backend

    def ask(count: int) -> dict[str, float]:
        with app.app_context():
            return asking.start(backend, count)

    pace.serve(
        {
            "start": start,
            "ask": ask,
            "answer": partial(asking.answer, backend),
            **{name: partial(pace.run, bench, action=name) for name in within},
        }
    )


if __name__ == "__main__":
    main()

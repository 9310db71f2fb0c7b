"""What visitors start while things break, and what became of each start."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import requests

from tests.faults.viewers import Visitor

ANSWER_SECONDS = 10.0
ASK_AGAIN_SECONDS = 0.4
PATIENCE_SECONDS = 90.0
NUMBERS = count(1)


@dataclass(eq=False)
class Start:
    """One thing that a visitor wants, with the key that makes it one however often it is asked
    for.
    """

    name: str
    args: dict[str, Any]
    countdown: float = 0.0
    expected: frozenset[str] = frozenset({"succeeded"})
    key: str = field(default_factory=lambda: uuid4().hex)
    owner: str = ""
    task_ids: set[str] = field(default_factory=set)
    scheduled_for: str | None = None
    refused_at: float | None = None  # by the wall clock: the last 503 of one that was given up

    @property
    def label(self) -> str:
        """The last word of the task's title, by which it is known where no answer told its id."""
        return str(self.args.get("label") or self.args.get("email") or "task")

    @property
    def is_mail(self) -> bool:
        return self.name == "send_async_email"


def work(steps: int = 2, seconds: float = 0.03) -> Start:
    return Start("work", {"label": f"w{next(NUMBERS)}", "steps": steps, "seconds": seconds})


def silence(seconds: float = 0.3) -> Start:
    return Start("silence", {"label": f"s{next(NUMBERS)}", "seconds": seconds})


def long_task() -> Start:
    return Start("long_task", {})


def story() -> Start:
    args = {"label": f"t{next(NUMBERS)}", "rows": 300, "every": 20, "seconds": 0.01, "asks": False}
    return Start("story", args)


def mail(countdown: float = 0.0) -> Start:
    return Start("send_async_email", {"email": f"m{next(NUMBERS)}@example.com"}, countdown)


Mix = Sequence[tuple[int, Callable[[random.Random], Start]]]

USUAL: Mix = (
    (60, lambda chance: work(chance.randint(1, 4), 0.03)),
    (5, lambda chance: silence(chance.uniform(0.1, 0.6))),
    (5, lambda _: long_task()),
    (20, lambda _: mail()),
    (10, lambda chance: mail(chance.uniform(0.5, 3.0))),
)
WITH_STORIES: Mix = (*USUAL, (5, lambda _: story()))
LONG: Mix = (
    (70, lambda chance: work(chance.randint(5, 15), 0.1)),
    (15, lambda _: long_task()),
    (15, lambda _: mail()),
)
MAILS: Mix = ((80, lambda _: mail()), (20, lambda chance: mail(chance.uniform(0.5, 2.0))))


def post(visitor: Visitor, start: Start) -> int:
    """Ask once for what is wanted; returns the status, 0 when there was no answer."""
    body = {"name": start.name, "args": start.args} | (
        {"countdown": start.countdown} if start.countdown else {}
    )
    begun = time.monotonic()
    try:
        response = visitor.http.post(
            f"{visitor.address}/tasks",
            json=body,
            headers={"Idempotency-Key": start.key},
            timeout=ANSWER_SECONDS,
        )
    except requests.RequestException:
        visitor.history.answer(f"POST /tasks ({start.name})", 0, time.monotonic() - begun)
        return 0
    visitor.history.answer(
        f"POST /tasks ({start.name})", response.status_code, time.monotonic() - begun
    )
    if response.status_code == 202:
        snapshot = response.json()
        start.task_ids.add(snapshot["task_id"])
        start.scheduled_for = start.scheduled_for or snapshot["scheduled_for"]
        visitor.take("202", snapshot)
    elif response.status_code == 503:
        start.refused_at = time.time()
    elif response.status_code < 500:
        visitor.history.object_to(
            f"a start of {start.name} was answered {response.status_code}: {response.text[:200]}"
        )
    return response.status_code


class Load:
    """Visitors who start tasks of a mix, each so many a second, each with a key.

    Refused, they ask again with it.

    One of `give_up` refused starts is given up instead: it must never run.
    """

    def __init__(
        self,
        rates: Mapping[Visitor, float],
        mix: Mix = USUAL,
        *,
        seed: int = 1,
        give_up: float = 0.0,
    ) -> None:
        self.starts: list[Start] = []
        self._mix = mix
        self._give_up = give_up
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._visit,
                args=(visitor, rate, random.Random(f"{seed} {number}")),
                daemon=True,
            )
            for number, (visitor, rate) in enumerate(rates.items())
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more; return when all that was begun has been answered."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, visitor: Visitor, rate: float, chance: random.Random) -> None:
        weights = [weight for weight, _ in self._mix]
        next_at = time.monotonic() + chance.uniform(0, 1 / rate)
        while not self._stopping.wait(max(0.0, next_at - time.monotonic())):
            [(_, make)] = chance.choices(self._mix, weights)
            start = make(chance)
            self.starts.append(start)
            insist(visitor, start, give_up=chance.random() < self._give_up)
            # what an outage held up is not made good
            next_at = max(next_at + 1 / rate, time.monotonic() - 1)


def insist(visitor: Visitor, start: Start, *, give_up: bool = False) -> None:
    """Ask, with the same key, until the start is accepted; give up at the first 503 if told so."""
    start.owner = visitor.owner
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := post(visitor, start)) != 202:
        if (give_up and status == 503) or time.monotonic() > deadline:
            return
        time.sleep(ASK_AGAIN_SECONDS)
    start.refused_at = None


def listed(visitor: Visitor) -> list[dict[str, Any]]:
    """Return all tasks of a visitor's list, page by page."""
    tasks: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = visitor.get("/tasks", limit="100", **({"cursor": cursor} if cursor else {}))
        tasks += page["tasks"]
        cursor = page["next"]
    return tasks

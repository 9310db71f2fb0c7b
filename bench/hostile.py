"""What hostile clients do to good ones: `python -m bench.hostile`.

One web process with its default limits, and the kinds of bench/attackers.py at it all at once. Good
clients read, watch and are pushed to before that, meanwhile and afterwards. Exit code 1 where a
bound is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import requests as http

from bench.attackers import REQUESTS, SOCKETS, Client
from bench.machine import cpu_seconds
from tests.processes import Process, Valkey, running, wait_for, web
from tests.security.wire import memory

MAX_GROWTH = 20_000_000  # bytes of memory
MAX_LOG = 1_000_000
MAX_P95 = 0.25  # seconds
PAUSE_SECONDS = 0.6  # of a good client between two rounds
ANSWER_SECONDS = 20.0
COME_SECONDS = 30.0  # for half of the attackers to begin: how soon they can, the machine decides
CLEAR_SECONDS = 90.0  # for the connections of clients that are gone to end
OPEN_STATES = ("01", "08")  # of /proc/net/tcp: established, closed by the client alone
VICTIMS = 4  # visitors whose cookies the attackers use, or attackers with cookies
TASKS = 100  # of each of them
KINDS = (*SOCKETS, *REQUESTS)
# The tasks are started from one address.
PREPARED = dict.fromkeys(("STARTS_LIMIT", "CHANGES_LIMIT"), "10000/minute")

# A good client's ways to use Headway, by name, and how long each took.
Times = dict[str, list[float]]


@dataclass
class Load:
    """What a load of hostile clients did."""

    quiet: Times
    attacked: Times
    growth: int = 0  # bytes of memory, at most
    log: int = 0  # bytes of the web process's log
    connections: int = 0  # of all clients, at most
    cpu: dict[str, float] = field(default_factory=dict)  # of a core by process, while attacked
    failures: list[str] = field(default_factory=list)  # of good clients

    def misses(self) -> Iterator[str]:
        """Yield what is beyond its bound, but for the times."""
        if self.growth >= MAX_GROWTH:
            yield f"memory grew by {self.growth / 1e6:.1f} MB"
        if self.log >= MAX_LOG:
            yield f"the log grew by {self.log / 1e6:.1f} MB"
        yield from self.failures


class Good:
    """A visitor as the page is one: a websocket, and requests."""

    def __init__(self, port: int, number: int, cookie: str, task_id: str) -> None:
        self._port = port
        self._source = f"127.2.0.{number + 1}"
        self._cookie = cookie
        self._task_id = task_id
        self._seconds = 86_400

    async def connect(self) -> None:
        self._http = await Client.open(self._port, self._source, self._cookie)
        self._socket = await Client.open(self._port, self._source, self._cookie)
        await self._socket.join()

    def close(self) -> None:
        self._http.close()
        self._socket.close()

    async def status(self) -> None:
        await self._http.request("GET", f"/status/{self._task_id}")

    async def page(self) -> None:
        """Load the page over a connection of its own."""
        visit = await Client.open(self._port, self._source, self._cookie)
        await visit.request("GET", "/")
        visit.close()

    async def watch(self) -> None:
        await self._socket.say(f'427["watch",{{"task_ids":["{self._task_id}"]}}]')
        await self._hear("437")

    async def push(self) -> None:
        """Change a task, and have that pushed."""
        self._seconds += 1
        body = json.dumps({"countdown": self._seconds})
        await self._http.request("POST", f"/tasks/{self._task_id}/schedule", body)
        await self._hear('42["snapshot"')

    async def _hear(self, begin: str) -> None:
        while not (await self._socket.hear()).startswith(begin):
            pass

    async def use(self, until: Callable[[], bool], times: Times, failures: list[str]) -> None:
        """Use it again and again, and note how long that takes."""
        await asyncio.sleep(random.random() * PAUSE_SECONDS)
        ways: list[Callable[[], Awaitable[None]]] = [self.status, self.page, self.watch, self.push]
        while not until():
            for way in ways:
                begun = time.perf_counter()
                try:
                    await asyncio.wait_for(way(), ANSWER_SECONDS)
                except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                    failures.append(f"{way.__name__}: {error!r:.60}")
                    return
                times[way.__name__].append(time.perf_counter() - begun)
            await asyncio.sleep(PAUSE_SECONDS * (0.5 + random.random()))


def visitor(address: str, tasks: int) -> tuple[str, list[str]]:
    """Return a new visitor's cookie and tasks, which run much later."""
    with http.Session() as session:
        session.get(address, timeout=10)
        body: dict[str, Any] = {"name": "long_task", "countdown": 86_400}
        made = [started(session, address, body) for _ in range(tasks)]
        [(name, value)] = session.cookies.items()
    return f"{name}={value}", made


def started(session: http.Session, address: str, body: dict[str, Any]) -> str:
    """Start a task and return its id; again, as its answer asks, where the server is busy."""
    headers = {"Idempotency-Key": str(uuid4())}
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        answer = session.post(f"{address}/tasks", json=body, headers=headers, timeout=10)
        if answer.status_code != 503 or time.monotonic() > end:
            answer.raise_for_status()
            return str(answer.json()["task_id"])
        time.sleep(float(answer.headers["Retry-After"]))


@contextmanager
def attackers(
    folder: Path,
    port: int,
    sockets: int,
    requests: int,
    kinds: Collection[str],
    cookies: list[str],
) -> Iterator[Process]:
    numbers = map(str, (port, sockets, requests))
    command = [sys.executable, "-m", "bench.attackers", *numbers, ",".join(kinds)]
    process = Process([*command, *cookies], folder / "attackers.log")
    try:
        yield process
        assert process.popen.poll() is None, process.output()
    finally:
        process.kill()


async def load(
    served: Process,
    address: str,
    folder: Path,
    *,
    sockets: int,
    requests: int,
    good: int,
    seconds: float,
    tasks: int = TASKS,
    kinds: Collection[str] = KINDS,
    **others: int,
) -> Load:
    """Attack a web process for so long.

    `tasks` is how many each visitor has whose cookie attackers use, `kinds` which kinds these are;
    `others` are further processes to measure.
    """
    port = int(address.rpartition(":")[2])
    hostile = [visitor(address, tasks)[0] for _ in range(VICTIMS)]
    clients = []
    for number in range(good):
        cookie, [task_id] = visitor(address, 1)
        clients.append(Good(port, number, cookie, task_id))
    for client in clients:
        await client.connect()
    result = Load(defaultdict(list), defaultdict(list))

    async def live(times: Times, seconds: float, crowd: int = 0) -> None:
        """Use it for so long, once so many connections have come, or have had the time to."""
        end = inf
        latest = time.monotonic() + COME_SECONDS

        def until() -> bool:
            nonlocal end
            result.growth = max(result.growth, memory(served.pid) - before)
            result.connections = max(result.connections, connections(port))
            now = time.monotonic()
            if end == inf and (result.connections >= crowd or now > latest):
                end = now + seconds
            return now > end

        before = memory(served.pid) if times is result.quiet else grown_from
        await asyncio.gather(*(each.use(until, times, result.failures) for each in clients))

    grown_from = 0
    await live(result.quiet, seconds / 2)
    grown_from = memory(served.pid)
    before = connections(port)
    log = served.log.stat().st_size
    result.growth = 0
    with attackers(folder, port, sockets, requests, kinds, hostile) as process:
        pids = {"web": served.pid, "attackers": process.pid, "good": os.getpid(), **others}
        cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
        begun = time.monotonic()
        await live(result.attacked, seconds, before + (sockets + requests) // 2)
        took = time.monotonic() - begun
        result.cpu = {name: (cpu_seconds(pids[name]) - was) / took for name, was in cpu.items()}
    await live(defaultdict(list), 1)
    wait_for(lambda: connections(port) <= before, CLEAR_SECONDS, "connections are left")
    result.log = served.log.stat().st_size - log
    for client in clients:
        client.close()
    return result


def connections(port: int) -> int:
    """Return how many connections a server at this port has."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] in OPEN_STATES for row in rows)


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--good", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = vars(parser.parse_args())
    with TemporaryDirectory() as name:
        folder = Path(name)
        valkey = Valkey(folder)
        env = {"REDIS_URL": valkey.url, "DATA_DIR": name, "SECRET_KEY": "a secret for the bench"}
        process, address = web(folder, {**env, **PREPARED})
        try:
            with running(process):
                found = asyncio.run(
                    load(process, address, folder, redis=valkey.process.pid, **asked)
                )
                print(process.output()[-3000:])
        finally:
            valkey.stop()
    misses = list(found.misses())
    for way, times in found.attacked.items():
        before = p95(found.quiet[way])
        now = p95(times)
        print(f"{way:8} p95 {before * 1000:6.1f} ms, attacked {now * 1000:6.1f} ms ({len(times)})")
        if now >= MAX_P95:
            misses.append(f"{way} takes {now * 1000:.0f} ms")
    print(
        f"memory +{found.growth / 1e6:.1f} MB at most, log +{found.log} bytes, "
        f"of a core: {', '.join(f'{name} {share:.0%}' for name, share in found.cpu.items())}"
    )
    for miss in misses:
        print(f"NOT MET: {miss}")
    return bool(misses)


if __name__ == "__main__":
    sys.exit(main())

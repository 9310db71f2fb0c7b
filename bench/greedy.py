"""What one visitor with a script gets of a server: `python -m bench.greedy`.

The visitor starts tasks, schedules, mails, uploads, shares, watches and opens websockets as often
as it can, at a web process, a worker and a Valkey of its own; then a visitor at another address
starts one task. Each figure is printed beside the setting that bounds it: `NOT MET`, and exit
code 1, where it is more. Redis, the disk (files, Redis's append-only file, logs, caught emails) and
the web process's memory are measured before and after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from headway import settings
from tests.browser import Visitor
from tests.processes import System, wait_for
from tests.security.test_socket_limits import opened
from tests.security.wire import memory

OTHER = "127.0.0.2"
MEBIBYTE = 1024 * 1024
UPLOADED = 32 * MEBIBYTE  # UPLOADED_MAX_BYTES here: the default is a gibibyte
# The defaults of a minute would leave the bounds of open tasks untouched.
STARTS = "1000/minute"
SHARES = 20  # a minute, the default
EMAILS = 20  # an hour, the default
# What all of this may take. Of the disk the uploads, and as much as Redis for its file.
MOST_GROWN = {"Redis": 4 * MEBIBYTE, "disk": UPLOADED + 4 * MEBIBYTE, "web process": 20 * MEBIBYTE}
TO_ONE = 5  # emails to one address an hour, the default
SET = {
    "RATE_LIMITS": "on",
    "STARTS_LIMIT": STARTS,
    "CHANGES_LIMIT": STARTS,
    "UPLOADED_MAX_BYTES": str(UPLOADED),
    "LONG_TASK_STEPS": "100",
    "LONG_TASK_STEP_SECONDS": "0.1",
}


class FromOther(HTTPAdapter):
    """Asks from another address of this machine."""

    def init_poolmanager(self, *args: Any, **options: Any) -> Any:
        return super().init_poolmanager(*args, source_address=(OTHER, 0), **options)


def taken(ask: Callable[[int], requests.Response], times: int, *, status: int = 202) -> int:
    """Return how many of so many requests are done; each other has to be a clear refusal."""
    answers = [ask(number) for number in range(times)]
    strange = [each.text for each in answers if each.status_code not in (status, 413, 429)]
    assert not strange, strange[0]
    return sum(each.status_code == status for each in answers)


def greedy(address: str) -> Iterator[tuple[str, int, int]]:
    """Do all that a visitor may; yield what, how much of it was done, and how much is set."""
    visitor = Visitor(address).connect()
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())

    def post(path: str, **body: Any) -> requests.Response:
        return visitor.http.post(f"{address}{path}", json=body, timeout=60)

    def mail(to: str) -> requests.Response:
        return post("/tasks", name="send_async_email", args={"email": to})

    to_one = taken(lambda _: mail("ann@example.com"), TO_ONE + 1)
    yield "emails to one address", to_one, TO_ONE
    sent = taken(lambda number: mail(f"ann{number}@example.com"), 60)
    yield "emails", to_one + sent, EMAILS
    data = b"x" * MEBIBYTE

    def upload(_: int) -> requests.Response:
        files = {"file": ("a.bin", data)}
        return visitor.http.post(f"{address}/uploads", files=files, timeout=60)

    uploaded = taken(upload, 60, status=201)
    yield "bytes of uploads", uploaded * MEBIBYTE, UPLOADED
    later = {"name": "long_task", "countdown": 30_000_000}
    first = post("/tasks", **later).json()["task_id"]
    for_later = 1 + taken(lambda _: post("/tasks", **later), 59)
    begun = taken(lambda _: post("/tasks", name="long_task"), 200)
    most = settings.MAX_OPEN_TASKS.default
    yield f"open tasks, {for_later} of them for next year", for_later + begun, most
    shared = taken(lambda _: post(f"/tasks/{first}/share"), 60, status=201)
    yield "links", shared, SHARES
    with ExitStack() as stack:
        sockets = [opened(address, cookie) for _ in range(80)]
        for _, client in sockets:
            stack.enter_context(closing(client))
        yield (
            "websockets",
            1 + [status for status, _ in sockets].count(101),
            settings.OWNER_SOCKETS.default,
        )
    visitor.close()


def tasks_before(address: str) -> int:
    """Return how many more tasks begin after another visitor's start, and before that one."""
    other = requests.Session()
    other.mount("http://", FromOther())
    other.get(address, timeout=60).raise_for_status()
    started = other.post(f"{address}/tasks", json={"name": "long_task"}, timeout=60).json()
    path = f"{address}/status/{started['task_id']}"
    positions: list[int] = []

    def has_begun() -> bool:
        snapshot = other.get(path, timeout=60).json()
        if snapshot["queue_position"] is not None:
            positions.append(snapshot["queue_position"])
        return bool(snapshot["started_at"])

    wait_for(has_begun, 300)
    return max(positions, default=0)


def kept(system: System) -> dict[str, int]:
    """Return the bytes that a system keeps: in Redis, on disk, in the web process's memory."""
    with system.valkey.connect() as client:
        in_redis = int(client.info("memory")["used_memory"])
    on_disk = sum(path.stat().st_size for path in system.folder.rglob("*") if path.is_file())
    return {"Redis": in_redis, "disk": on_disk, "web process": memory(system.web.pid)}


def main() -> int:
    is_kept = True
    with TemporaryDirectory() as name:
        system = System(Path(name), **SET)
        try:
            before = kept(system)
            for what, done, most in greedy(system.address):
                is_kept &= done <= most
                print(f"{what}: {done} of {most}{'' if done <= most else '  NOT MET'}", flush=True)
            ahead = tasks_before(system.address)
            most = settings.MAX_RUNNING.default + 1
            is_kept &= ahead <= most
            print(
                f"place in the queue of another's task: {ahead}, at most {most}"
                f"{'' if ahead <= most else '  NOT MET'}"
            )
            for where, size in kept(system).items():
                grown = size - before[where]
                most = MOST_GROWN[where]
                is_kept &= grown <= most
                print(
                    f"{where}: {grown / MEBIBYTE:+.1f} MiB, at most {most // MEBIBYTE}"
                    f"{'' if grown <= most else '  NOT MET'}"
                )
        finally:
            Visitor.close_all()
            system.stop()
    return not is_kept


if __name__ == "__main__":
    sys.exit(main())

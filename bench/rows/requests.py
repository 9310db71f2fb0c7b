"""What requests cost a web process: reading a status, starting a task."""

from __future__ import annotations

import socket
import statistics
import time
from functools import partial

from bench.candidates import Candidate, Headway, Pattern, Polling, Web
from bench.machine import cpu_seconds
from bench.measure import Bench
from bench.processes import Failed
from bench.table import Comparison, Row

POLLED_TASKS = 20


def status(bench: Bench) -> Row:
    """What a browser reads that cannot use a websocket: all its tasks in one request."""
    headway = bench.candidate(Headway)
    polling = bench.candidate(Polling)
    task_ids = _running(headway, POLLED_TASKS)
    batch = "/status?" + "&".join(f"task_id={task_id}" for task_id in task_ids)
    [theirs] = _running(polling, 1)
    one = f"/status/{task_ids[0]}"
    seconds = bench.plan.seconds / 2
    ask = partial(_per_cpu_second, headway.web, seconds=seconds)
    known = {path: headway.cookie + _known(headway, path) for path in (batch, one)}
    measures = {
        "batch": partial(ask, batch, 200, headway.cookie),
        "batch, known": partial(ask, batch, 304, known[batch]),
        "one": partial(ask, one, 200, headway.cookie),
        "one, known": partial(ask, one, 304, known[one]),
        "list": partial(ask, f"/tasks?limit={POLLED_TASKS}", 200, headway.cookie),
        "nothing": partial(ask, "/healthz", 200, ""),
        "polling": partial(_per_cpu_second, polling.web, f"/status/{theirs}", 200, "", seconds),
    }
    found = {name: statistics.median(each) for name, each in bench.in_turn(measures).items()}
    article = (Polling.name + ", one task", found["polling"])
    together = f"{POLLED_TASKS} at once"
    return Row(
        "status requests for a CPU-second",
        [
            Comparison(f"{together}, 200", found["batch"], "", *article, 4.0, at_least=True),
            Comparison(f"{together}, 304", found["batch, known"], "", *article, 4.0, at_least=True),
            _over(f"{together}, 200: statuses", found["batch"] * POLLED_TASKS, *article, 4.0),
            _over(f"{together}, 304", found["batch, known"], "its 200", found["batch"], 2.0),
            _over(f"{together}, 200", found["batch"], "/healthz", found["nothing"]),
            _over(f"a list of {POLLED_TASKS}, 200", found["list"], "/healthz", found["nothing"]),
            Comparison("one, 200", found["one"], "", *article, 3.0, at_least=True),
            _over("one, 304", found["one, known"], "its 200", found["one"]),
        ],
    )


def _over(
    what: str, figure: float, peer: str, peer_figure: float, bar: float | None = None
) -> Comparison:
    return Comparison(what, figure, "", peer, peer_figure, bar, at_least=True)


def _known(headway: Headway, path: str) -> str:
    """Return the header that says that a path's present answer is known."""
    tag = headway.visitor.get(f"{headway.web.address}{path}", timeout=10).headers["ETag"]
    return f"If-None-Match: {tag}\r\n"


def starts(bench: Bench) -> Row:
    reporters = {each.name: each.reporter for each in bench.candidates(Headway, Pattern)}
    found = bench.in_turn(
        {
            name: partial(reporter.call, "start", seconds=bench.plan.seconds / 2)
            for name, reporter in reporters.items()
        }
    )

    def per_second(name: str, of: str) -> float:
        seconds: float = statistics.median(each[of] for each in found[name])
        return 1 / seconds

    return Row(
        "tasks started",
        [
            Comparison(
                what,
                per_second(Headway.name, of),
                "",
                "apply_async",
                per_second(Pattern.name, of),
                1.0,
                at_least=True,
            )
            for of, what in {
                "cpu": "a second of the web's CPU",
                "median": "one at a time, a second",
            }.items()
        ],
    )


def _running(candidate: Candidate, count: int) -> list[str]:
    """Return so many tasks that have reported."""
    task_ids = candidate.rooms(count)
    candidate.reporter.call("report", schedule=[(0.0, task_id) for task_id in task_ids])
    return task_ids


def _per_cpu_second(web: Web, path: str, code: int, headers: str, seconds: float) -> float:
    """Ask over one connection for so long.

    Returns how many answers a second of the server's CPU gives.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n{headers}\r\n".encode()
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        for _ in range(20):
            _ask(connection, request, code)
        answers = 0
        cpu = cpu_seconds(web.pid)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _ask(connection, request, code)
            answers += 1
        return answers / (cpu_seconds(web.pid) - cpu)


def _ask(connection: socket.socket, request: bytes, code: int) -> None:
    connection.sendall(request)
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _receive(connection)
    if not data.startswith(f"HTTP/1.1 {code}".encode()):
        raise Failed(f"{data[:200]!r} is no {code}")
    head = data[:end].lower()
    _, _, length = head.partition(b"content-length: ")
    size = int(length.partition(b"\r\n")[0] or 0)  # a 304 need not say it
    while len(data) < end + 4 + size:
        data += _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise Failed("The server has ended the connection.")
    return data

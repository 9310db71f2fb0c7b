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


def status(bench: Bench) -> Row:
    headway, polling = bench.candidate(Headway), bench.candidate(Polling)
    path, cookie = f"/status/{_running(headway)}", headway.cookie
    tag = headway.visitor.get(headway.web.address + path, timeout=10).headers["ETag"]
    seconds = bench.plan.seconds / 2

    conditional = f"{cookie}If-None-Match: {tag}\r\n"
    measures = {
        "200": partial(_per_cpu_second, headway.web, path, 200, cookie, seconds),
        "304": partial(_per_cpu_second, headway.web, path, 304, conditional, seconds),
        "polling": partial(
            _per_cpu_second, polling.web, f"/status/{_running(polling)}", 200, "", seconds
        ),
    }
    found = {name: statistics.median(each) for name, each in bench.in_turn(measures).items()}
    return Row(
        "status requests for a CPU-second",
        [
            Comparison("200", found["200"], "", Polling.name, found["polling"], 3.0, at_least=True),
            Comparison("304", found["304"], "", Polling.name, found["polling"], 5.0, at_least=True),
        ],
    )


def starts(bench: Bench) -> Row:
    reporters = {each.name: each.reporter for each in bench.candidates(Headway, Pattern)}
    found = bench.in_turn(
        {
            name: partial(reporter.call, "start", seconds=bench.plan.seconds / 2)
            for name, reporter in reporters.items()
        }
    )
    ours, theirs = (1 / statistics.median(found[name]) for name in (Headway.name, Pattern.name))
    return Row(
        "tasks started a second",
        [Comparison("record and message", ours, "", "apply_async", theirs, 0.8, at_least=True)],
    )


def _running(candidate: Candidate) -> str:
    """Return a task that has reported."""
    [task_id] = candidate.rooms(1)
    candidate.reporter.call("report", schedule=[(0.0, task_id)])
    return task_id


def _per_cpu_second(web: Web, path: str, code: int, headers: str, seconds: float) -> float:
    """Ask over one connection for so long.

    Returns how many answers a second of the server's CPU gives.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n{headers}\r\n".encode()
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        for _ in range(20):
            _ask(connection, request, code)
        answers, cpu, deadline = 0, cpu_seconds(web.pid), time.monotonic() + seconds
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
    size = int(length.partition(b"\r\n")[0] or 0) if code != 304 else 0
    while len(data) < end + 4 + size:
        data += _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise Failed("The server has ended the connection.")
    return data

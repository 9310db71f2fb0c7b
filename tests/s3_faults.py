"""A proxy before an S3 server that fails as told: away, slow, refusing, or ending in the middle."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"


class Fault(StrEnum):
    """How a request fails."""

    HANGS = "hangs"
    ENDS = "ends"  # the connection, without an answer
    FAILS = "500 InternalError"
    IS_BUSY = "503 SlowDown"
    REFUSES = "403 AccessDenied"
    TALKS_JUNK = "junk"
    CUTS = "cuts"  # the body of the answer, in its midst
    LOSES_ANSWER = "loses answer"  # of what it has done


class Handler(BaseHTTPRequestHandler):
    server: FaultyProxy
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.take(f"{self.command} {self.path}")
        if fault == Fault.HANGS:
            self.server.ended.wait()
        if fault in (Fault.HANGS, Fault.ENDS):
            self.close_connection = True
            return
        if fault == Fault.TALKS_JUNK:
            self._answer(200, {}, b"<html>junk")
            return
        if fault in (Fault.FAILS, Fault.IS_BUSY, Fault.REFUSES):
            status, code = fault.split()
            self._answer(int(status), {}, ERROR.format(code, "a-message-of-the-server").encode())
            return
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        behind.request(self.command, self.path, body, dict(self.headers.items()))
        answer = behind.getresponse()
        data = answer.read()
        behind.close()
        if fault == Fault.LOSES_ANSWER:
            self.close_connection = True
            return
        headers = dict(answer.getheaders())
        self._answer(answer.status, headers, data, cut=fault == Fault.CUTS)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def _answer(self, status: int, headers: dict[str, str], data: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = cut

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class FaultyProxy(ThreadingHTTPServer):
    """Fails requests that match a pattern of `METHOD /path?query`."""

    daemon_threads = True

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = behind
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.ended = threading.Event()
        self.failed = 0
        self._fault: tuple[Fault, re.Pattern[str]] | None = None
        self._times = inf

    def handle_error(self, *_: object) -> None:
        """A client that went away is none."""

    def take(self, request: str) -> Fault | None:
        """Return how a request fails, None if it does not."""
        if self._fault is None or not self._fault[1].search(request) or self._times <= 0:
            return None
        self._times -= 1
        self.failed += 1
        return self._fault[0]

    @contextmanager
    def failing(self, fault: Fault, which: str = "", times: float = inf) -> Iterator[None]:
        """Fail the requests that match, so many times at most."""
        self.failed = 0
        self._times = times
        self._fault = (fault, re.compile(which))
        try:
            yield
        finally:
            self._fault = None


@contextmanager
def faulty_proxy(behind: int) -> Iterator[FaultyProxy]:
    """Run a proxy before a port of this machine."""
    with FaultyProxy(behind) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.ended.set()
            proxy.shutdown()
            thread.join()

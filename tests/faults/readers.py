"""Who read the same stream as the task's page does, each in its own way: a socket client, and one
that asks over HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import requests

from tests.faults.sockets import DEAD, ROUND_SECONDS, Socket
from tests.faults.stories import STREAM
from tests.faults.viewers import POLL_TIMEOUT, Visitor

ASK_SECONDS = 0.25


class Reader(Protocol):
    """Who reads a stream."""

    def text(self) -> str:
        """Return the text as this reader has it."""

    def close(self) -> None:
        """Read no more."""


class Text:
    """A stream's text as its reader keeps it: "A reader's rule" of docs/protocol.md."""

    def __init__(self) -> None:
        self.data = b""
        self.epoch = 0

    def take(self, offset: int, text: str, epoch: int) -> bool:
        """Take in a piece; return whether something is missing before it."""
        if epoch < self.epoch:
            return False
        if epoch > self.epoch:
            if offset > 0:
                return True
            self.data = b""
            self.epoch = epoch
        missing = offset > len(self.data)
        if not missing:
            self.data += text.encode()[len(self.data) - offset :]
        return missing

    def is_behind(self, end: dict[str, Any]) -> bool:
        """Whether a snapshot says that the stream has more than this."""
        return (self.epoch, len(self.data)) < (end["epoch"], end["length"])


class ThreadReader(threading.Thread):
    """Reads in a thread of its own until it is closed."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self._visitor = visitor
        self._text = Text()
        self._stopping = threading.Event()
        self.start()

    def text(self) -> str:
        return self._text.data.decode()

    def close(self) -> None:
        self._stopping.set()
        self.join()


class SocketReader(ThreadReader):
    """Hears what is pushed, and asks over its socket for what it lacks."""

    def __init__(self, visitor: Visitor, task_id: str) -> None:
        self._task_id = task_id
        self._lock = threading.Lock()
        self._lacks = threading.Event()
        super().__init__(visitor)

    def run(self) -> None:
        socket = None
        while not self._stopping.wait(ROUND_SECONDS):
            if socket is None or not socket.open:
                socket = self._connect()
            if self._lacks.is_set():
                self._lacks.clear()
                try:
                    self._ask(socket)
                except DEAD:
                    socket.close()
        if socket is not None:
            socket.close()

    def _connect(self) -> Socket:
        self._lacks.set()
        handlers = {
            "stream": self._take,
            "snapshot": self._reach,
            "server": lambda _: self._lacks.set(),
        }
        return Socket(self._visitor.address, self._visitor.cookies, handlers)

    def _ask(self, socket: Socket) -> None:
        had = {"offset": len(self._text.data), "epoch": self._text.epoch}
        asked = {"task_ids": [self._task_id], "streams": {self._task_id: {STREAM: had}}}
        answer = socket.call("watch", asked)
        if "error" in answer:
            self._lacks.set()
            return
        for name, page in answer["streams"].get(self._task_id, {}).items():
            self._take({**page, "task_id": self._task_id, "name": name})
            if page["next"] < page["length"]:
                self._lacks.set()

    def _take(self, event: dict[str, Any]) -> None:
        if (event["task_id"], event["name"]) == (self._task_id, STREAM):
            with self._lock:
                lacks = self._text.take(event["offset"], event["text"], event["epoch"])
            if lacks:
                self._lacks.set()

    def _reach(self, snapshot: dict[str, Any]) -> None:
        end = snapshot["streams"].get(STREAM)
        if snapshot["task_id"] == self._task_id and end and self._text.is_behind(end):
            self._lacks.set()


class HttpReader(ThreadReader):
    """Asks again and again for what follows."""

    def __init__(self, visitor: Visitor, task_id: str) -> None:
        self._path = f"/tasks/{task_id}/streams/{STREAM}"
        super().__init__(visitor)

    def run(self) -> None:
        with requests.Session() as http:
            http.cookies.update(self._visitor.cookies)
            while not self._stopping.wait(ASK_SECONDS):
                with suppress(requests.RequestException):
                    self._ask(http)

    def _ask(self, http: requests.Session) -> None:
        had = {"offset": len(self._text.data), "epoch": self._text.epoch}
        begun = time.monotonic()
        url = self._visitor.address + self._path
        response = http.get(url, params=had, timeout=POLL_TIMEOUT)
        seconds = time.monotonic() - begun
        self._visitor.history.answer(f"GET {self._path}", response.status_code, seconds)
        if response.ok:  # there is none before the first text
            page = response.json()
            self._text.take(page["offset"], page["text"], page["epoch"])


@contextmanager
def reading(readers: Sequence[Reader]) -> Iterator[Sequence[Reader]]:
    """Close the readers when the block is left."""
    try:
        yield readers
    finally:
        for reader in readers:
            reader.close()

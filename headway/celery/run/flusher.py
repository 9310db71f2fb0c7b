"""The threads that send what the runs of a process have buffered."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from headway.celery.run.runs import detached


class Buffer(Protocol):
    """A run's buffer of reports or text."""

    def flush(self) -> None: ...

    def fail(self, what: str) -> None: ...


class Flusher:
    """A thread that flushes buffers at an interval; it starts again after a fork."""

    def __init__(self, name: str, seconds: float) -> None:
        """The thread starts with the first buffer, and sleeps while there is none."""
        self._name = name
        self._seconds = seconds
        self._buffers: set[Buffer] = set()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, buffer: Buffer) -> None:
        self._buffers.add(buffer)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            detached(self._thread.start)
        self._news.set()

    def forget(self) -> None:
        """Reset in a forked process, which has neither the thread nor the runs."""
        self.__dict__.update(Flusher(self._name, self._seconds).__dict__)

    def remove(self, buffer: Buffer) -> None:
        self._buffers.discard(buffer)

    def _run(self) -> None:
        while True:
            if not self._buffers:
                self._news.wait()
            self._news.clear()
            for buffer in tuple(self._buffers):
                try:
                    buffer.flush()
                except Exception:  # one run's failure must not affect the others
                    buffer.fail(self._name.capitalize())
            time.sleep(self._seconds)

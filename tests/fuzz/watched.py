"""Watches a web process while it is fuzzed: whether it lives, and whether anything is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.hostile import CLEAR_SECONDS, connections
from headway.store.connection import MAX_CONNECTIONS
from tests.processes import System
from tests.security.wire import memory

MAX_GROWTH = 20_000_000  # bytes of memory, once it has warmed up
MAX_FILES = MAX_CONNECTIONS  # descriptors more than before: to Redis, for the next calls
SAMPLE_SECONDS = 1.0
WARM_SHARE = 0.2  # of the time: what is loaded or cached once is no leak


class Watched:
    """What a system's web process holds, over time."""

    def __init__(self, system: System) -> None:
        self._process = system.web
        self._port = int(system.address.rpartition(":")[2])
        self._connections = connections(self._port)
        self._files = self._open_files()
        self._memory: list[int] = []
        self._has_ended = threading.Event()

    def sample(self) -> None:
        """Note its memory again and again, until it is stopped."""
        while not self._has_ended.wait(SAMPLE_SECONDS) and self._is_alive():
            self._memory.append(memory(self._process.pid))

    def stop(self) -> None:
        self._has_ended.set()

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with it, after the last client has gone."""
        if not self._is_alive():
            yield f"the web process has ended: {self._process.output()[-3000:]}"
            return
        if "Traceback" in self._process.output():
            yield f"the web process logged: {self._process.output()[-3000:]}"
        deadline = time.monotonic() + CLEAR_SECONDS
        while connections(self._port) > self._connections and time.monotonic() < deadline:
            time.sleep(SAMPLE_SECONDS)
        left = connections(self._port) - self._connections
        if left > 0:
            yield f"{left} connections are left"
        files = self._open_files() - self._files
        if files > MAX_FILES:
            yield f"{files} descriptors are left"
        warm, last = self._warm(), memory(self._process.pid)
        print(f"memory {warm / 1e6:.1f} MB when warm, {last / 1e6:.1f} MB at the end; {files=}")
        if last - warm > MAX_GROWTH:
            yield f"memory grew by {(last - warm) / 1e6:.1f} MB"

    def _warm(self) -> int:
        return max(self._memory[: max(1, round(len(self._memory) * WARM_SHARE))])

    def _is_alive(self) -> bool:
        return self._process.popen.poll() is None

    def _open_files(self) -> int:
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))


@contextmanager
def watching(system: System) -> Iterator[Watched]:
    """Sample a system's web process meanwhile."""
    watched = Watched(system)
    sampler = threading.Thread(target=watched.sample, daemon=True)
    sampler.start()
    try:
        yield watched
    finally:
        watched.stop()
        sampler.join()

"""How long a word takes from a task's stream to its viewer, as a model's come."""

from __future__ import annotations

import json
import statistics
import threading
import time

import websocket

from bench.candidates import Headway
from bench.measure import Bench
from bench.table import Comparison, Row

RATE = 30.0  # words a second
MAX_MS = 60.0
CONNECT_SECONDS = 10.0


class Reader(threading.Thread):
    """A viewer of one task, who notes how long ago each word was written that comes."""

    def __init__(self, port: int, cookie: str, task_id: str) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        address = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        cookie = cookie.partition(": ")[2].strip()
        self._socket = websocket.create_connection(address, CONNECT_SECONDS, cookie=cookie)
        self._read_until("0")
        self._socket.send("40")
        self._read_until("40")
        self._socket.send('420["watch",' + json.dumps({"task_ids": [task_id]}) + "]")
        self._read_until("430")

    def run(self) -> None:
        """Read until the stream has ended."""
        is_closed = False
        while not is_closed:
            name, event = json.loads(self._read_until("42")[2:])
            now = time.monotonic()
            if name == "stream":
                self.took += [now - float(word) for word in event["text"].split()]
                is_closed = event["closed"]
        self._socket.close()

    def _read_until(self, begin: str) -> str:
        while not (message := str(self._socket.recv())).startswith(begin):
            if message == "2":
                self._socket.send("3")
        return message


def tokens(bench: Bench) -> Row:
    headway = bench.candidate(Headway)
    [task_id] = headway.rooms(1)
    reader = Reader(headway.web.port, headway.cookie, task_id)
    reader.start()
    seconds = bench.plan.seconds * bench.plan.rounds
    headway.reporter.call("tokens", task_id=task_id, rate=RATE, seconds=seconds)
    reader.join(CONNECT_SECONDS)
    took = sorted(1000 * each for each in reader.took)
    *_, p95 = statistics.quantiles(took, n=20)
    return Row(
        f"from a write to progress.stream() to the client, {RATE:.0f} words/s",
        [
            Comparison("p95", p95, "ms", "what it may take", MAX_MS, 1.0),
            Comparison("p50", statistics.median(took), "ms", "what it may take", MAX_MS),
        ],
        [f"{len(took)} words"],
    )

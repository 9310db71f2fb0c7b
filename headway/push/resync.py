"""Catches up after an outage: rereads the records whose pushes may have been missed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

from headway.engine.frames import SERVICE_RESTART
from headway.shapes import SnapshotDict
from headway.snapshot import fragment
from headway.store.errors import ReadOnly
from headway.store.keys import room
from headway.store.model import TaskRecord

logger = logging.getLogger(__name__)

NAMESPACE = "/"
REREAD = 100  # rooms at a time
MINE = 50  # tasks of an owner in one answer


class Resync:
    """Brings the viewers of a process up to date after an outage of its connection or of Redis."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.session = 0  # the subscriber's session that was seen last
        self.missed: set[str] = set()  # rooms to reread since it began
        self._epoch = ""

    def on_reconnect(self) -> None:
        """Note that the subscriber has reconnected: any push may have been missed."""
        self.session = self._manager.subscriber.session
        self.missed = set(self._manager.live_rooms.by_name)
        self.drop_idle_connections()

    def drop_idle_connections(self) -> None:
        """Close the pool's idle connections: each one that is half-open would fail a request."""
        self._manager.records.client.connection_pool.disconnect(inuse_connections=False)

    def detect_flush(self) -> None:
        """If Redis has been emptied, make all clients reconnect and ask again."""
        client = self._manager.records.client
        key = self._manager.records.keys.shared("epoch")
        epoch = client.get(key)
        if epoch is None:
            with suppress(ReadOnly):
                client.set(key, uuid4().hex, nx=True)
            epoch = client.get(key)
        if self._epoch and epoch != self._epoch:
            logger.warning("Redis was emptied; all clients ask again")
            self._manager.close_websockets()
        self._epoch = str(epoch or "")

    def catch_up(self) -> None:
        """Reread the missed rooms; those that cannot be read now stay for the next heartbeat."""
        while self.missed:
            names = list(self.missed)[:REREAD]
            self._read_again([name for name in names if name in self._manager.live_rooms.by_name])
            self.missed.difference_update(names)

    def _read_again(self, names: list[str]) -> None:
        self._manager.confirm(names)
        tasks = [name.removeprefix("task:") for name in names if name.startswith("task:")]
        found = self._manager.records.read(tasks)
        lines = self._manager.records.queries.newest_lines(tasks)
        for task_id, stored, line in zip(tasks, found, lines, strict=True):
            name = room("task", task_id)
            if stored is None or not stored.owner:
                # The record was lost, and perhaps made again by its worker, without an owner then:
                # its viewers have to ask again.
                viewers = [
                    eio_sid for _, eio_sid in self._manager.get_participants(NAMESPACE, name)
                ]
                self._manager.server.eio.end(SERVICE_RESTART, viewers)
                continue
            self._manager.deliver(name, f'["snapshot",{stored.snapshot}]'.encode())
            if line:  # a client that lacks lines before it sees the gap
                self._manager.deliver(
                    name, f'["log",{{"task_id":"{task_id}","lines":[{line}]}}]'.encode()
                )
            self._manager.deliver(name, f'["files",{{"task_id":"{task_id}"}}]'.encode())
            for end in _stream_ends(stored):  # the same for a client that lacks text
                self._manager.deliver(name, f'["stream",{fragment(end)}]'.encode())
        owners = [name.removeprefix("owner:") for name in names if name.startswith("owner:")]
        for owner in owners:
            mine, _ = self._manager.records.lists.newest_and_open(owner, MINE)
            for snapshot in reversed(mine):
                self._manager.deliver(room("owner", owner), f'["snapshot",{snapshot}]'.encode())


def _stream_ends(stored: TaskRecord) -> Iterator[dict[str, Any]]:
    """Yield for each of a task's streams the payload of an event, without text, for its end."""
    snapshot: SnapshotDict = json.loads(stored.snapshot)
    for name, stream in snapshot["streams"].items():
        of_stream = {"task_id": snapshot["task_id"], "name": name, "offset": stream["length"]}
        yield {**of_stream, "text": "", "closed": stream["closed"], "epoch": stream["epoch"]}

"""Reading again what pushes may have been missed."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any
from uuid import uuid4

from headway.engine.frames import SERVICE_RESTART
from headway.store.errors import ReadOnly
from headway.store.keys import room

logger = logging.getLogger(__name__)

NAMESPACE = "/"
EPOCH = "headway:epoch"  # a key that stays as long as Redis keeps what it holds
REREAD = 100  # rooms at a time
MINE = 50  # tasks of an owner that one answer shows


class Resync:
    """Has the viewers of a process told what it missed, after an outage of its connection or of
    Redis.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.session = 0  # of the subscriber, as far as it was noticed here
        self.missed: set[str] = set()  # rooms to be read again since
        self._epoch = ""

    def on_reconnect(self) -> None:
        """Note that the subscriber has reconnected: any push may have been missed."""
        self.session = self._manager.subscriber.session
        self.missed = set(self._manager.live_rooms.by_name)
        self.drop_idle_connections()

    def drop_idle_connections(self) -> None:
        """Make no use of connections older than a fault: each one that is half-open would cost
        somebody a request.
        """
        self._manager.records.client.connection_pool.disconnect(inuse_connections=False)

    def detect_flush(self) -> None:
        """When Redis has lost all that it held, have every client connect again and ask what is
        missing.
        """
        client = self._manager.records.client
        epoch = client.get(EPOCH)
        if epoch is None:
            with suppress(ReadOnly):
                client.set(EPOCH, uuid4().hex, nx=True)
            epoch = client.get(EPOCH)
        if self._epoch and epoch != self._epoch:
            logger.warning("Redis was emptied; all clients ask again")
            self._manager.close_websockets()
        self._epoch = str(epoch or "")

    def catch_up(self) -> None:
        """Read again what was missed; what cannot be read now stays for the next beat."""
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
                # Lost, perhaps remade by its worker, and nobody's then: its viewers have to ask
                # again.
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
        owners = [name.removeprefix("owner:") for name in names if name.startswith("owner:")]
        for owner in owners:
            for snapshot in reversed(self._manager.records.queries.list_by_owner(owner, MINE)[0]):
                self._manager.deliver(room("owner", owner), f'["snapshot",{snapshot}]'.encode())

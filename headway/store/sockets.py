"""How many websockets each client has, at all web processes together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from headway.store.functions import Functions

# A process renews its counts with each heartbeat: those of one that is gone soon count no more.
COUNTS_MS = 10_000


class Count(NamedTuple):
    """How many websockets a client has at one process, and may have at all; None: any number."""

    here: int
    most: int | None


class SocketRecords:
    """Notes the counts of this process, and adds up those of all."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._id = uuid4().hex
        self._has_noted = False

    def note(self, counts: Mapping[str, Count]) -> tuple[bool, bool]:
        """Note this process's counts by clients' names, and that its other counts still hold.

        Returns whether they are noted: none is where a client has too many at all processes
        together. And whether Redis had counts of this process before.
        """
        args: list[object] = [self._process, COUNTS_MS]
        for name, count in counts.items():
            args += (name, count.here, "" if count.most is None else count.most)
        self._has_noted = True
        noted, known = self._functions.call("count_sockets", [], args)
        return bool(noted), bool(known)

    def forget(self) -> None:
        """Forget this process's counts, as its websockets end."""
        if self._has_noted:
            self._has_noted = False
            self._functions.client.delete(self._functions.keys.sockets(self._process))

    @property
    def _process(self) -> str:
        return f"{self._id}-{os.getpid()}"  # a process may fork before it serves

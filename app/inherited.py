"""What a pool's process has of its worker by being forked: the connections of a worker are not its own.

A process that takes the place of another is forked while the worker is connected. It would hold the other ends open: a
worker that is killed would stay connected to its broker, and be sent messages, for as long as a process of its pool
lives. Linux only, since /proc says what a descriptor is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from celery import signals

DESCRIPTORS = Path("/proc/self/fd")

_first: dict[int, str] | None = None  # what there was before the pool: a program's own, which its processes may use
_workers: dict[int, str] = {}  # what the worker has opened since


def separate() -> None:
    """Have the processes that a worker's pool gets later let go of the worker's connections."""
    signals.worker_before_create_process.connect(_note_sockets)
    signals.worker_process_init.connect(_let_go)


def _note_sockets(**_: object) -> None:
    """Note in the worker which sockets are its own."""
    global _first, _workers
    sockets = _sockets()
    if _first is None:
        _first = sockets
    _workers = {fd: name for fd, name in sockets.items() if _first.get(fd) != name}


def _let_go(**_: object) -> None:
    """Put nothing in the place of the worker's sockets; not closed, since objects that are not used still name them."""
    if not _workers:
        return
    sockets = _sockets()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd, name in _workers.items():
        if sockets.get(fd) == name:
            os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)


def _sockets() -> dict[int, str]:
    """Return this process's sockets: descriptor and name."""
    found: dict[int, str] = {}
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        with suppress(OSError):
            name = os.readlink(entry)
            if name.startswith("socket:"):
                found[int(entry.name)] = name
    return found

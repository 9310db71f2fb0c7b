"""Detaches a pool's processes from the connections of the worker that they inherit by fork.

A process that replaces another is forked while the worker is connected, and would keep the worker's
connections open: a killed worker would stay connected to its broker, and be sent messages, for as
long as a process of its pool lives. Linux only, since it reads /proc.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from celery import signals

DESCRIPTORS = Path("/proc/self/fd")

# Sockets from before the pool: the program's own, which its processes may use.
_first: dict[int, str] | None = None
_workers: dict[int, str] = {}  # sockets that the worker has opened since


def separate() -> None:
    """Make the processes that a pool starts from now on let go of the worker's connections."""
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
    """Replace the worker's sockets by /dev/null.

    They are not closed, since unused objects still hold their numbers.
    """
    if not _workers:
        return
    sockets = _sockets()
    null = os.open(os.devnull, os.O_RDWR)
    for fd, name in _workers.items():
        if sockets.get(fd) == name:
            os.dup2(null, fd, inheritable=False)
    os.close(null)


def _sockets() -> dict[int, str]:
    """Return this process's sockets: descriptor and name."""
    found: dict[int, str] = {}
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        with suppress(OSError):
            name = os.readlink(entry)
            if name.startswith("socket:"):
                found[int(entry.name)] = name
    return found

"""Keeps a program running: restarts it when it dies, and stops it with all its processes."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headway.server import processes

BACK_OFF_SECONDS = (0.2, 5.0)  # before a restart: at first, at most
STEADY_SECONDS = 10.0  # after running for so long, it restarts with the short back-off
PR_SET_PDEATHSIG = 1  # of Linux's prctl
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def echo(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone; the work goes on
        print(line, flush=True)


class ManagedProcess:
    """One program that is kept running until `stop`.

    It runs in its own session, so that the terminal's Ctrl-C does not reach it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        grace: float,
        env: Mapping[str, str] | None = None,
        inherits: Iterable[int] = (),
        umask: int = -1,
    ) -> None:
        """Set up, without starting it.

        `grace`: seconds to stop; `env`: added to this process's own; `inherits`: file descriptors;
        `umask`: this process's own by default.
        """
        self.name = name
        self.inherits = list(inherits)
        self._command = command
        self._grace = grace
        self._umask = umask
        self._env = {**os.environ, **(env or {})}
        self._stopping = asyncio.Event()
        self._restarting = False
        self._wake = asyncio.Event()  # ends the back-off
        self._task: asyncio.Task[None] | None = None
        self._pid = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep())

    async def stop(self, force: asyncio.Event) -> None:
        """Stop it by SIGTERM, and by SIGKILL when its grace is over or `force` is set."""
        if self._task is None:
            return
        self._stopping.set()
        self._wake.set()
        if not self._restarting:  # a second SIGTERM would hurry it
            self._send(os.kill, signal.SIGTERM)
        forced = asyncio.create_task(force.wait())
        await asyncio.wait(
            {self._task, forced}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED
        )
        forced.cancel()
        if not self._task.done():
            echo(f"{self.name} did not stop in time: killed.")
            self._send(kill_session, signal.SIGKILL)
        await self._task

    def restart(self) -> None:
        """Have it stop in order, by SIGKILL when its grace is over, and start again at once."""
        if self._restarting:
            return
        self._restarting = True
        self._wake.set()
        self._send(os.kill, signal.SIGTERM)
        asyncio.get_running_loop().call_later(self._grace, self._kill, self._pid)

    def _kill(self, pid: int) -> None:
        if self._pid == pid:
            self._send(kill_session, signal.SIGKILL)

    async def _keep(self) -> None:
        shortest, longest = BACK_OFF_SECONDS
        delay = shortest
        while not self._stopping.is_set():
            begun = time.monotonic()
            self._restarting = False
            self._wake.clear()
            code = await self._run()
            if self._stopping.is_set():
                return
            if self._restarting:
                continue
            delay = shortest if time.monotonic() - begun > STEADY_SECONDS else delay
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            echo(f"{self.name} {how}; restarting in {delay:g} s.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)
            delay = min(delay * 2, longest)

    async def _run(self) -> int:
        """Run it once, with its name before each line of output; return its exit code."""
        ours, theirs = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            pass_fds=self.inherits,
            preexec_fn=end_with_parent,
            umask=self._umask,
        )
        os.close(theirs)
        self._pid = process.pid
        if self._stopping.is_set() or self._restarting:  # asked for while it was starting
            self._send(os.kill, signal.SIGTERM)
        relay = asyncio.create_task(self._relay(os.fdopen(ours, "rb")))
        code = await process.wait()
        self._send(kill_session, signal.SIGKILL)  # what it left behind, as a worker's pool
        self._pid = 0
        # The pipe stays open for longer only where a process that left the session keeps it.
        await asyncio.wait({relay}, timeout=1.0)
        relay.cancel()
        return code

    async def _relay(self, pipe: Any) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        with contextlib.closing(transport):
            while not reader.at_eof():
                with contextlib.suppress(ValueError):  # a line of more than 64 KiB is dropped
                    if line := (await reader.readline()).decode(errors="replace").rstrip():
                        echo(f"{self.name:<11} | {line}")

    def _send(self, send: Callable[[int, int], None], number: int) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                # macOS raises the latter for a zombie.
                send(self._pid, number)


def kill_session(leader: int, number: int) -> None:
    """Signal a program and its session, since each process of a worker's pool has its own group.

    It looks again for what they start meanwhile.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)
    signalled: set[int] = set()
    while new := {each.pid for each in processes() if each.session == leader} - signalled:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        signalled |= new


def end_with_parent() -> None:
    """Have Linux send SIGTERM to this child when its supervisor is killed; runs before exec."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

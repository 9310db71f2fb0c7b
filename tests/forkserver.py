"""Forks Headway's programs from a process that has imported what they are made of: a start costs a
tenth of the CPU.

Only modules that read nothing of their environment when they are imported are imported there, which
tests/test_processes.py holds all of Headway to. The programs themselves, as wsgi.py, are not.
"""

from __future__ import annotations

import atexit
import faulthandler
import fcntl
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from os import close, fork, waitpid  # before they are patched: gevent closes later
from pathlib import Path
from typing import IO, Any

from headway import patching

COMMON = (
    "app",
    "celery.backends.redis",
    "email_validator",
    "flask_mail",
    "flask_socketio",
    "hiredis",
    "kombu.transport.redis",
)
# There is a server for each way to patch the standard library.
LIBRARIES = {
    "threading": (
        *COMMON,
        "aiosmtpd.main",
        "celery.bin.celery",
        "celery.apps.worker",
        "celery.concurrency.prefork",
        "celery.worker.components",
        "celery.worker.consumer",
    ),
    "eventlet": (*COMMON, "eventlet.wsgi"),
    "gevent": (*COMMON, "gevent.pywsgi"),
}
COUNTING = ["-m", "tests.counting_web"]
SLOW = ["-m", "tests.slow_web"]
WEB_PROGRAMS = (["wsgi.py"], ["-m", "tests.faults.web"], COUNTING, SLOW)
# What a running Python can still take over from its environment, or has from the server's.
PYTHON_SETTINGS = {"PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONUNBUFFERED"}
OF_THE_MAKEFILE = {"PYTHON"}  # no Python reads it
READ_AT_IMPORT = "REMAP_SIGTERM"  # by billiard
MAX_REQUEST_BYTES = 1 << 20
MAX_FDS = 16
FIRST_SPARE_FD = 256  # above all that programs ask for
POLL_SECONDS = 0.02
NUMBER = struct.Struct("i")


def server_for(command: Sequence[str], env: Mapping[str, str]) -> str | None:
    """Return which server can fork a program, None for one that needs a Python of its own.

    Which libraries are patched, and a few settings of Python, are decided before anything is
    imported.
    """
    settings = {name for name in env if name.startswith(("PYTHON", "EVENTLET"))}
    if not settings <= PYTHON_SETTINGS | OF_THE_MAKEFILE:
        return None
    if command[1:3] == ["-m", "celery"]:
        pools = {"eventlet", "gevent"} & set(command)
        return pools.pop() if pools else "threading"
    if command[1:3] == ["-m", "tests.engine_server"]:
        served_by = command[3].partition("-")[2]
        return "threading" if served_by == "gthread" else served_by
    if command[1:] == ["run.py"] or command[1:3] == ["-m", "aiosmtpd"]:
        return "threading"
    if command[1:] in WEB_PROGRAMS:
        return env.get("SOCKETIO_ASYNC_MODE", "eventlet")
    return None


class ForkedProcess:
    """A forked program, with what is used here of `subprocess.Popen`."""

    def __init__(
        self,
        server: str,
        command: Sequence[str],
        *,
        root: Path,
        env: Mapping[str, str],
        output: IO[bytes],
        fds: Sequence[int],
    ) -> None:
        self.args = list(command)
        self.returncode: int | None = None
        self._reading = threading.Lock()
        self._watcher, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {
            "command": self.args[1:],
            "env": dict(env),
            "root": str(root),
            "fds": list(fds),
            "umask": _umask(),
        }
        with theirs:
            passed = [theirs.fileno(), output.fileno(), *fds]
            socket.send_fds(
                _connect(server, env.get(READ_AT_IMPORT, "")),
                [json.dumps(request).encode()],
                passed,
            )
        [self.pid] = NUMBER.unpack(self._watcher.recv(NUMBER.size))

    def send_signal(self, number: int) -> None:
        """Signal the program, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Signal the program to end at once."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code, or below zero the signal's number; None while the program runs."""
        with self._reading:
            if self.returncode is None:
                try:
                    [status] = NUMBER.unpack(self._watcher.recv(NUMBER.size, socket.MSG_DONTWAIT))
                except BlockingIOError:
                    return None
                self._watcher.close()
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return what `poll` does, when the program has ended.

        Raises subprocess.TimeoutExpired after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(POLL_SECONDS)
        return code


def _umask() -> int:
    mask = os.umask(0o077)  # which can only be asked for by setting another
    os.umask(mask)
    return mask


_servers: dict[tuple[str, str], socket.socket] = {}
_starting = threading.Lock()


def _connect(server: str, read_at_import: str) -> socket.socket:
    """Return the socket on which a server, started when it is first needed, takes its requests."""
    key = server, read_at_import
    with _starting:
        if key not in _servers:
            _servers[key] = _start(server, read_at_import)
        return _servers[key]


def _start(server: str, read_at_import: str) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver", server, str(theirs.fileno())],
        env={**os.environ, READ_AT_IMPORT: read_at_import},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


def serve(server: str, requests: socket.socket) -> None:
    """Fork a program for each request.

    Return when nobody is left to ask, and in each program at its end.
    """
    gc.disable()  # what is imported stays
    low = _take_low_numbers()
    patching.patch_for(server)
    for library in LIBRARIES[server]:
        importlib.import_module(library)
    for fd in low:
        close(fd)
    gc.freeze()
    gc.enable()
    while True:
        message, fds, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, MAX_FDS)
        if not message:
            return
        if fork() == 0:
            requests.close()
            return _watch(json.loads(message), *fds)
        for fd in fds:
            close(fd)
        _reap()


def _take_low_numbers() -> list[int]:
    """Return descriptors that have all numbers which those of a program may have.

    What the imports open gets others: a hub's epoll is closed in each program, which has its own,
    and would close a listener of the same number.
    """
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < FIRST_SPARE_FD:
        taken.append(os.dup(taken[-1]))
    return taken


def _reap() -> None:
    try:
        while waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _watch(request: dict[str, Any], watcher: int, output: int, *fds: int) -> None:
    """Run the program in a process of its own.

    Tell its pid at once, and its status when it has ended.
    """
    pid = fork()
    if pid == 0:
        close(watcher)
        _take_over(request, output, fds)
        return _run(request["command"])
    for fd in (output, *fds):
        close(fd)
    os.write(watcher, NUMBER.pack(pid))
    os.write(watcher, NUMBER.pack(waitpid(pid, 0)[1]))
    os._exit(0)


def _take_over(request: dict[str, Any], output: int, fds: Sequence[int]) -> None:
    """Have the session, the folder, the mask, the environment and the descriptors that were asked
    for.
    """
    os.setsid()
    os.umask(request["umask"])
    os.chdir(request["root"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    spare = [
        fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_SPARE_FD) for fd in (output, output, *fds)
    ]
    for fd in (output, *fds):
        close(fd)
    for fd, number in zip(spare, (1, 2, *request["fds"]), strict=True):
        os.dup2(fd, number)
        close(fd)
    _have_an_own_hub()
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))


def _have_an_own_hub() -> None:
    """Leave the hub that the imports have made: its epoll would be everybody's."""
    if patching.patched_for == "eventlet":
        importlib.import_module("eventlet.hubs").use_hub()
    elif patching.patched_for == "gevent":
        importlib.import_module("gevent").reinit()


def _run(command: list[str]) -> None:
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))

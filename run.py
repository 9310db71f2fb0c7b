"""`make run`: starts all of Headway on this machine, and stops it in the right order.

It runs Valkey and the development inbox (unless the settings name others), two workers, and web
processes that share one listening socket. A process that dies is restarted. Ctrl-C and SIGTERM stop
all of them, so that nothing is lost or left running.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import embedded
from app import config
from app.services import ROOT, data_dir, make_private, private_files
from code_watcher import NOTE, CodeWatcher
from headway import ConfigError, checks
from headway.secrets import guard_process
from headway.server import CannotListen, address_of, listen, refuse_newcomers
from supervisor import ManagedProcess, echo

LEFTOVERS_SECONDS = 25.0  # how long the processes of a killed run may take to stop
POLL_SECONDS = 0.05
STILL_WAITING_SECONDS = 10.0


class CannotRun(Exception):
    """A reason not to start; the message says what to do."""


def lock(folder: Path) -> TextIO:
    """Return the lock of this data folder, to be kept open. Raises CannotRun if it is taken.

    The children inherit it, so after a killed run it becomes free only when the last of them is
    gone: two Valkeys must never write to one append-only file.
    """
    make_private(folder)
    with private_files():
        file = (folder / "run.lock").open("a+")
    begun = time.monotonic()
    while not _take(file):
        file.seek(0)
        owner = file.read()
        waited = time.monotonic() - begun
        if _is_alive(owner):
            raise CannotRun(
                f"Headway is already running in {folder} (process {owner}): "
                "stop that one, or give this one a DATA_DIR and a PORT of its own."
            )
        if waited > LEFTOVERS_SECONDS:
            raise CannotRun(f"Processes of an earlier run still use {folder}: stop them.")
        time.sleep(POLL_SECONDS)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _take(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def check_surroundings(settings: Mapping[str, Any]) -> None:
    """Log once, for all children, what is wrong with Redis. Raises ConfigError."""
    logging.basicConfig(level=logging.WARNING, format="Headway: %(message)s")
    config.check_surroundings(settings)
    checks.warn_no_more()


# In the order in which they start; they stop in the reverse order.
Stages = list[list[ManagedProcess]]


def plan(
    settings: Mapping[str, Any],
    services: Mapping[str, Any],
    listener: socket.socket,
    locked: TextIO,
) -> Stages:
    """Return all child processes; each inherits the lock."""
    folder: Path = settings["DATA_DIR"]
    workers = [
        worker("long", "celery", settings["WORKER_CONCURRENCY"], settings["SHUTDOWN_SECONDS"]),
        worker("mail", "mail", settings["MAIL_CONCURRENCY"], settings["SHUTDOWN_SECONDS"]),
    ]
    env = {} if is_production(settings) else {"HEADWAY_CODE_PROBLEM": str(folder / NOTE)}
    numbers = range(1, settings["WEB_PROCESSES"] + 1)
    webs = [web(number, listener.fileno(), env) for number in numbers]
    stages = [workers, webs]
    if "inbox_port" in services:
        stages.insert(0, [embedded.inbox(services["inbox_port"], settings["MAIL_INBOX"])])
    if "redis_url" in services:
        valkey = embedded.valkey(services["redis_url"], folder, settings["VALKEY_MAX_MB"])
        stages.insert(0, [valkey])
    for child in chain(*stages):
        child.inherits.append(locked.fileno())
    return stages


def worker(name: str, queue: str, slots: int, shutdown_seconds: float) -> ManagedProcess:
    celery = [
        sys.executable,
        "-m",
        "celery",
        "-q",
        "-A",
        "worker",
        "worker",
        "--loglevel",
        "WARNING",
    ]
    env = {
        # Celery's soft shutdown: tasks that still run after it go back to the queue.
        "REMAP_SIGTERM": "SIGQUIT",
        # Root is the usual user in a container.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
    }
    return ManagedProcess(
        f"worker-{name}",
        [*celery, "-Q", queue, "-c", str(slots), "-n", f"{name}@%h"],
        grace=shutdown_seconds + 12,
        env=env,
    )


def is_production(settings: Mapping[str, Any]) -> bool:
    return bool(settings["APP_ENV"] == "production")


def web(number: int, fd: int, env: Mapping[str, str]) -> ManagedProcess:
    return ManagedProcess(
        f"web-{number}",
        [sys.executable, "wsgi.py"],
        grace=5,
        env={"HEADWAY_LISTEN_FD": str(fd), **env},
        inherits=[fd],
    )


async def answers(host: str, port: int, question: str, good: bytes) -> bool:
    """Whether a server's reply to `question`, which ends the connection, contains `good`."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                writer.write(question.encode())
                return good in await reader.read()
    except OSError:  # a TimeoutError is one
        return False


async def until_answers(what: str, host: str, port: int, question: str, good: bytes) -> None:
    """Wait until the answer is good, and report now and then that it is still awaited."""
    next_word = time.monotonic() + STILL_WAITING_SECONDS
    while not await answers(host, port, question, good):
        if time.monotonic() > next_word:
            echo(f"Still waiting for {what}.")
            next_word += STILL_WAITING_SECONDS
        await asyncio.sleep(POLL_SECONDS)


async def start(stages: Stages, services: Mapping[str, Any], address: str) -> None:
    """Start everything, Valkey first, and report when it is ready."""
    for stage in stages:
        for child in stage:
            child.start()
        if stage is stages[0] and "redis_url" in services:
            log = data_dir(os.environ) / "valkey.log"
            await until_answers(
                f"Valkey; see {log}",
                "127.0.0.1",
                urlsplit(services["redis_url"]).port or 0,
                embedded.ping(services["redis_url"]),
                b"+PONG",
            )
    host, _, port = address.removeprefix("http://").rpartition(":")
    what = (
        "the web process"
        if "redis_url" in services
        else "the web process, and for the Redis of REDIS_URL"
    )
    request = f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    await until_answers(what, host.strip("[]"), int(port), request, b" 200 ")
    echo(f"Headway is ready: {address} (Ctrl-C stops it)")


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event is set within so many seconds."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def supervise(
    stages: Stages,
    services: Mapping[str, Any],
    listener: socket.socket,
    watcher: CodeWatcher | None,
) -> None:
    """Start all processes, keep them running until a signal comes, then stop them.

    A second signal kills those that have not stopped yet.
    """
    stop = asyncio.Event()
    force = asyncio.Event()

    def on_signal() -> None:
        (force if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup make run` outlives its terminal
            asyncio.get_running_loop().add_signal_handler(number, on_signal)
    starting = asyncio.create_task(start(stages, services, address_of(listener)))
    watching = asyncio.create_task(watcher.watch()) if watcher else None
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        await stopped
    finally:
        starting.cancel()
        if watching:
            watching.cancel()
            await asyncio.wait({watching})
        echo("Stopping, so that nothing is lost (Ctrl-C again hurries) ...")
        for seconds in refuse_newcomers(listener):  # the web processes accept the last meanwhile
            if await is_set_within(force, seconds):
                break
        for stage in reversed(stages):
            await asyncio.gather(*(child.stop(force) for child in stage))
            listener.close()  # the web processes are first
        echo("Headway has stopped.")


def main() -> int:
    """Run until stopped; return the exit code: 2 for an invalid setting, 1 if it cannot run."""
    guard_process()
    folder = data_dir(os.environ).resolve()
    os.environ["DATA_DIR"] = str(folder)
    os.environ["PYTHONUNBUFFERED"] = "1"  # so that the children's lines appear at once
    os.chdir(ROOT)
    try:
        with lock(folder) as locked:
            services = embedded.choose_services(folder, os.environ)
            settings = config.load(os.environ)
            config.refuse_unsafe_serving(settings)
            if "redis_url" not in services:
                check_surroundings(settings)
            port = settings["PORT"]
            with listen(settings["HOST"], port, f"another: make run PORT={port + 1}") as listener:
                stages = plan(settings, services, listener, locked)
                *_, workers, webs = stages
                note = folder / NOTE
                watcher = None if is_production(settings) else CodeWatcher(note, workers + webs)
                asyncio.run(supervise(stages, services, listener, watcher))
    except (ConfigError, CannotRun, CannotListen, embedded.NoPort) as error:
        print(f"Headway: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

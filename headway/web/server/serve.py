"""Serves an app with Headway in it until SIGTERM or Ctrl-C, then shuts down gracefully."""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import socket
import time
from importlib import import_module

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from headway.state import state_of
from headway.web.server.listening import refuse_newcomers
from headway.web.server.serving import Requests, Serving

# At shutdown: at least so long for data that has arrived and was not read yet; at most so long for
# a connected client to send its request; at most so long to answer requests.
LAST_REQUESTS_SECONDS = (0.1, 1.0, 3.0)


def serve(app: Flask, listener: socket.socket, *, is_shared: bool = False) -> None:
    """Serve an app on a listening socket, in the app's async mode, until the process has to stop.

    The standard library is patched for that mode already. `is_shared`: other processes listen on
    the same socket, and go on.
    """
    _raise_file_limit()
    _tune_gc()
    manager = state_of(app).manager
    manager.initialize()
    requests = Requests(app, max_of_address(app))
    server = import_module(f"headway.web.server.serve_{app.config['HEADWAY_ASYNC_MODE']}")
    serving: Serving = server.serve(
        listener,
        requests,
        app.config["HEADWAY_MAX_CONNECTIONS"],
        app.config["HEADWAY_REQUEST_SECONDS"],
    )
    _wait_for_stop()
    requests.last = True
    if not is_shared:
        for seconds in refuse_newcomers(listener):
            time.sleep(seconds)
    serving.stop_accepting()
    listener.close()
    manager.close_websockets()
    _answer_the_last(serving, requests)


def max_of_address(app: Flask) -> int | None:
    """Return how many connections an address may have; behind a proxy all come from the proxy's."""
    limits = state_of(app).limits
    is_behind_proxy = isinstance(app.wsgi_app, ProxyFix)
    return limits.max_connections if limits.are_on and not is_behind_proxy else None


def _wait_for_stop() -> None:
    """Wait for SIGTERM or Ctrl-C, without blocking greenlets or threads.

    The signal arrives as a byte on a socket: an exception raised by a signal handler would hit
    whichever request happens to run.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    ours.recv(1)
    signal.set_wakeup_fd(-1)  # a second signal changes nothing


def _raise_file_limit() -> None:
    """Raise this process's soft limit of open files to the hard limit."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        # macOS refuses "unlimited"; its default stays then.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tune_gc() -> None:
    """Make the garbage collector scan long-lived objects, and thousands of sockets, less often."""
    gc.freeze()
    gc.set_threshold(10_000)


def _answer_the_last(serving: Serving, requests: Requests) -> None:
    """Wait until all connected clients are answered, or the LAST_REQUESTS_SECONDS are over."""
    to_arrive, to_ask, to_be_answered = (
        time.monotonic() + seconds for seconds in LAST_REQUESTS_SECONDS
    )
    while (now := time.monotonic()) < to_be_answered:
        waiting = serving.waiting()
        if waiting:  # until they are let in, nothing that they ask is read
            to_ask = now + LAST_REQUESTS_SECONDS[1]
        may_ask = now < to_ask and requests.connected
        if not (now < to_arrive or waiting or may_ask or requests.running):
            return
        time.sleep(0.02)

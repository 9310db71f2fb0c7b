"""Serves an app with Headway in it until SIGTERM or Ctrl-C, and then ends so that nobody is cut
off.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import socket
import time
from importlib import import_module

from flask import Flask

from headway.state import state_of
from headway.web.listening import HANDSHAKE_SECONDS, refuse_newcomers
from headway.web.serving import Requests, Serving

# When the process ends: at least, for what has come and was not read yet; at most, for a client
# that has connected to say what it wants; at most, to answer what was asked.
LAST_REQUESTS_SECONDS = (0.1, 1.0, 3.0)


def serve(app: Flask, listener: socket.socket, *, is_shared: bool = False) -> None:
    """Serve an app on a listening socket, in the app's async mode, until the process is asked to
    stop.

    The standard library is patched for that mode already. `is_shared`: other processes listen there
    too, and go on.
    """
    _raise_file_limit()
    _tune_gc()
    manager = state_of(app).manager
    manager.initialize()
    requests = Requests(app)
    server = import_module(f"headway.web.serve_{app.config['HEADWAY_ASYNC_MODE']}")
    serving: Serving = server.serve(listener, requests, app.config["HEADWAY_MAX_CONNECTIONS"])
    _wait_for_stop()
    requests.last = True
    if not is_shared:
        refuse_newcomers(listener)
        time.sleep(HANDSHAKE_SECONDS)  # meanwhile all are accepted
    serving.stop_accepting()
    listener.close()
    manager.close_websockets()
    _answer_the_last(serving, requests)


def _wait_for_stop() -> None:
    """Return after SIGTERM or Ctrl-C; until then everything else runs, green or not.

    The signal arrives as a byte: an exception from a handler would hit whichever request happens to
    run.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    ours.recv(1)
    signal.set_wakeup_fd(-1)  # a second signal changes nothing


def _raise_file_limit() -> None:
    """Raise this process's limit of open files as far as it may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        # macOS refuses "unlimited": then what it gave stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tune_gc() -> None:
    """Have what lives as long as the process, and thousands of sockets, looked through for
    garbage less often.
    """
    gc.freeze()
    gc.set_threshold(10_000)


def _answer_the_last(serving: Serving, requests: Requests) -> None:
    """Return when those who have connected are answered, or have had their time."""
    to_arrive, to_ask, to_be_answered = (
        time.monotonic() + seconds for seconds in LAST_REQUESTS_SECONDS
    )
    while (now := time.monotonic()) < to_be_answered:
        is_asked_for = now < to_ask and (requests.connected or serving.waiting())
        if not (now < to_arrive or is_asked_for or requests.running):
            return
        time.sleep(0.02)

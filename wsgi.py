"""A web process: `python wsgi.py` serves, on the socket that `run.py` bound or on one of its
own at HOST and PORT.
"""

import os
import warnings

# As in app/config.py, which cannot be imported yet: what it imports must find the patched standard
# library.
MODE = os.environ.get("SOCKETIO_ASYNC_MODE", "eventlet")

if MODE == "eventlet":
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # its resolver can stall
    # Known, and the reason why the mode is a setting; said to whoever starts a server it would be
    # noise.
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()
elif MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()

# Below the patch, on purpose.
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from app import create_app
from app.startup import check_surroundings
from headway.exceptions import ConfigError
from headway.masking import guard_process
from headway.store.connection import peer_closed
from listening import HANDSHAKE_SECONDS, CannotListen, address_of, listen, refuse_newcomers

# A client that stays silent for so long in the middle of a request is cut off. A websocket is never
# silent so long: it answers a ping every 7 s.
SILENCE_SECONDS = 60
BATCH_SIZE = 16  # connections let in before others have their turn
RECEIVED_AT_ONCE = 64  # connections that come to wait for that
STAYS_SECONDS = 1.0  # who has closed its side before that may only have nothing more to say
MAX_HEAD_BYTES = 64 * 1024
POLL_SECONDS = 0.05  # how long the threading server may take to notice that it is to stop
NO_PLACE = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: "
    b"close\r\n\r\n"
)
# When the process ends: at least, for what has come and was not read yet; at most, for a client
# that has connected to say what it wants; at most, to answer what was asked.
LAST_REQUESTS_SECONDS = (0.1, 1.0, 3.0)

guard_process()
try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"Headway: {error}")


@dataclass
class Serving:
    """A server that runs in the background."""

    stop_accepting: Callable[[], None]
    # Connections that have been accepted and not been looked at.
    waiting: Callable[[], int] = lambda: 0


class Requests:
    """The app, and how many requests it works on.

    Websockets do not count: they are closed, not waited for.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.running: set[object] = set()
        self.connected: set[tuple[str, int]] = set()  # clients that have not asked for anything yet
        self.last = False  # whether clients are told that their connection ends with its answer

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.connected.discard((environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])))
        if environ["PATH_INFO"].startswith("/socket.io/"):
            return self._app(environ, start_response)
        return self._counted(environ, start_response)

    @contextlib.contextmanager
    def of(self, address: tuple[Any, ...]) -> Iterator[None]:
        """Note that a client at this address is connected, until it asks or leaves."""
        client = address[0], address[1]
        self.connected.add(client)
        try:
            yield
        finally:
            self.connected.discard(client)

    def _counted(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        request = object()
        self.running.add(request)
        try:
            answer = self._app(environ, start_response)
            try:
                yield from answer
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        finally:
            self.running.discard(request)


class AcceptQueue:
    """A listener for eventlet's server, which lets a crowd in a few at a time: those inside have
    their turn.

    The crowd waits here. The kernel has few places, and whoever finds none hears nothing: it tries
    again seconds later.
    """

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._waiting = eventlet.Queue(most_files // 2)
        self._let_in = count(1)
        self._acceptor = eventlet.spawn(self._receive)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def accept(self) -> Any:
        """Return the next connection whose client has not left while it waited for long."""
        if next(self._let_in) % BATCH_SIZE == 0:
            time.sleep(0)
        while True:
            came, (connection, address) = self._waiting.get()
            if time.monotonic() - came < STAYS_SECONDS or not peer_closed(connection):
                return connection, address
            connection.close()

    def waiting(self) -> int:
        """Return how many wait here."""
        return int(self._waiting.qsize())

    def stop(self) -> None:
        """Receive nobody else. Whoever waits is still let in: a server that ends would cut them
        off.
        """
        self._acceptor.kill()

    def _receive(self) -> None:
        for received in count(1):
            try:
                connection = self._listener.accept()
                self._waiting.put((time.monotonic(), connection))
            except (
                OSError
            ):  # it has left already, or there are no files: until somebody else has left
                time.sleep(0.1)
            if received % RECEIVED_AT_ONCE == 0:
                time.sleep(0)


def serve_eventlet(listener: socket.socket, requests: Requests) -> Serving:
    """Serve in the background, as the two below do."""
    from eventlet import wsgi

    class ConnectionPool(eventlet.GreenPool):  # type: ignore[misc]  # untyped
        """Room for so many connections; who finds none is told so and does not wait.

        Websockets take none.
        """

        def spawn(self, serve: Callable[..., None], connection: Any) -> Any:
            if self.free() <= 0:
                return eventlet.spawn(reject, connection[1])
            return super().spawn(self._serve, serve, connection)

        def _serve(self, serve: Callable[..., None], connection: Any) -> None:
            with requests.of(connection[0]):
                serve(connection)

    class Protocol(wsgi.HttpProtocol):  # type: ignore[misc]  # untyped
        """Has a connection end with the last request."""

        def parse_request(self) -> bool:
            is_sound: bool = super().parse_request()
            self.close_connection |= requests.last
            return is_sound

    queue = AcceptQueue(listener)
    eventlet.spawn(
        wsgi.server,
        queue,
        requests,
        custom_pool=ConnectionPool(app.config["WEB_MAX_CONNECTIONS"]),
        protocol=Protocol,
        socket_timeout=SILENCE_SECONDS,
        log_output=False,
        debug=False,  # no traceback to clients
        capitalize_response_headers=False,  # they are as they should be
    )
    return Serving(queue.stop, queue.waiting)


def reject(connection: Any) -> None:
    """Ask a client to come later."""
    connection.settimeout(1)
    with contextlib.suppress(OSError):
        connection.recv(MAX_HEAD_BYTES)  # what is closed unread is reset, and the answer lost
        connection.sendall(NO_PLACE)


def serve_gevent(listener: socket.socket, requests: Requests) -> Serving:
    from gevent import pywsgi

    class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]  # untyped
        """Ends a connection with its websocket: there is no next request on it to wait for."""

        def run_application(self) -> None:
            self.close_connection |= "HTTP_UPGRADE" in self.environ
            super().run_application()

        def start_response(
            self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            last = [("Connection", "close")] if requests.last else []
            return super().start_response(status, [*headers, *last], exc_info)

    class Server(pywsgi.WSGIServer):  # type: ignore[misc]  # untyped
        def handle(self, connection: Any, address: tuple[Any, ...]) -> None:
            with requests.of(address):
                super().handle(connection, address)

    most = app.config["WEB_MAX_CONNECTIONS"]
    server = Server(listener, requests, log=None, handler_class=Handler, spawn=most)
    server.start()
    return Serving(server.close)


def serve_threading(listener: socket.socket, requests: Requests) -> Serving:
    import threading

    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        """Ends a connection with its websocket, as gevent's above does."""

        def handle(self) -> None:
            with requests.of(self.client_address):
                super().handle()

        def run_wsgi(self) -> None:
            self.close_connection |= "Upgrade" in self.headers
            super().run_wsgi()

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
    host, port = listener.getsockname()[:2]
    server = make_server(
        host, port, requests, threaded=True, request_handler=Handler, fd=listener.fileno()
    )
    server.socket.settimeout(1.0)  # of several processes that see a connection only one gets it
    threading.Thread(target=server.serve_forever, args=[POLL_SECONDS], daemon=True).start()

    def stop_accepting() -> None:
        server.shutdown()
        server.socket.close()  # a duplicate of the listener

    return Serving(stop_accepting)


SERVERS = {"eventlet": serve_eventlet, "gevent": serve_gevent, "threading": serve_threading}


def is_inherited() -> bool:
    """Whether the listening socket is shared with other processes."""
    return "HEADWAY_LISTEN_FD" in os.environ


def open_listener() -> socket.socket:
    """Return the inherited listening socket, or one of our own."""
    if is_inherited():
        # -1: of whatever family it is.
        return socket.socket(-1, fileno=int(os.environ["HEADWAY_LISTEN_FD"]))
    try:
        listener = listen(app.config["HOST"], app.config["PORT"])
    except CannotListen as error:
        sys.exit(f"Headway: {error}")
    print(f"Headway serves {address_of(listener)}", flush=True)
    return listener


def wait_for_stop() -> None:
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


def raise_file_limit() -> None:
    """Raise this process's limit of open files as far as it may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(
        ValueError, OSError
    ):  # macOS refuses "unlimited": then what it gave stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def tune_gc() -> None:
    """Have what lives as long as the process, and thousands of sockets, looked through for
    garbage less often.
    """
    gc.freeze()
    gc.set_threshold(10_000)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        check_surroundings(app.config)
    except ConfigError as error:
        sys.exit(f"Headway: {error}")
    raise_file_limit()
    tune_gc()
    requests = Requests(app)
    app.extensions["headway"].manager.initialize()
    listener = open_listener()
    serving = SERVERS[MODE](listener, requests)
    wait_for_stop()
    requests.last = True
    if not is_inherited():  # else those who share it go on
        refuse_newcomers(listener)
        time.sleep(HANDSHAKE_SECONDS)  # meanwhile all are accepted
    serving.stop_accepting()
    listener.close()
    app.extensions["headway"].manager.close_websockets()
    answer_the_last(serving, requests)


def answer_the_last(serving: Serving, requests: Requests) -> None:
    """Return when those who have connected are answered, or have had their time."""
    to_arrive, to_ask, to_be_answered = (
        time.monotonic() + seconds for seconds in LAST_REQUESTS_SECONDS
    )
    while (now := time.monotonic()) < to_be_answered:
        is_asked_for = now < to_ask and (requests.connected or serving.waiting())
        if not (now < to_arrive or is_asked_for or requests.running):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    main()

"""A server of Engine.IO's part alone, without Redis: what it is told over HTTP it does with all its
websockets. `python -m tests.engine_server ENGINE PORT CONSTANTS OPTIONS`.
"""

import json
import sys

from headway.patching import patch_for

engine, served_by = sys.argv[1].split("-")
mode = "threading" if served_by == "gthread" else served_by
port = int(sys.argv[2])
constants, options = map(json.loads, sys.argv[3:5])
patch_for(mode)

import gc
import resource
import socket
import threading
from importlib import import_module

import socketio
from greenlet import greenlet

from headway.engine import backlog, choice, handover, loop
from headway.engine import server as lean
from headway.engine import socket as sockets
from headway.engine.events import Event
from headway.engine.packets import ClientPacket
from headway.engine.timers import PingScheduler
from headway.web.server.serving import Requests

for module in (backlog, handover, lean, loop, sockets):
    vars(module).update({name: value for name, value in constants.items() if name in vars(module)})
if files := options.pop("files", None):
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
if engine == "stock":
    choice.EpollServer = choice.DefaultServer
request_seconds = options.pop("request_seconds", 30.0)
max_of_address = options.pop("max_of_address", None)
limits = {"max_sockets": 10_000, "max_http_buffer_size": 16384}
limits["cors_allowed_origins"] = []  # whose page it is, `refuses` says
limits["refuses"] = lambda environ: environ.get("HTTP_ORIGIN") == "http://elsewhere.example"
limits["quotas_of"] = lambda environ: dict.fromkeys(environ.get("HTTP_X_CLIENT", "").split(), 2)
settings = {"transports": ["websocket"], "async_handlers": False, "serializer": ClientPacket}
settings |= limits | options


class Manager(socketio.Manager):
    """The stock one, for one socket at a time: two that go at once take each other's lists away."""

    lock = threading.RLock()

    def basic_enter_room(self, *args, **options):
        with self.lock:
            super().basic_enter_room(*args, **options)

    def pre_disconnect(self, *args, **options):
        with self.lock:
            return super().pre_disconnect(*args, **options)

    def basic_disconnect(self, *args, **options):
        with self.lock:
            super().basic_disconnect(*args, **options)


with choice.patch_socketio():
    server = socketio.Server(async_mode=mode, client_manager=Manager(), **settings)
gc.freeze()  # what counts the greenlets below looks through the rest
handled = []
gone = []
held = []
released = threading.Event()


@server.event
def echo(sid, data):
    handled.append(data[:10] if isinstance(data, str) else data)
    return data


@server.event
def push_and_echo(sid, data):
    server.emit("pushed", 1, to=sid)
    server.eio.sender_for(server.manager.eio_sid_from_sid(sid, "/"))(Event(b'2["pushed",2]'))
    return data


@server.event
def nap(sid, seconds):
    server.sleep(seconds)
    return seconds


@server.event
def hold(sid, data):
    # Handled until the test has it released, however long the test takes.
    wait(data)


@server.event
def leave(sid, data):
    server.eio.disconnect(server.manager.eio_sid_from_sid(sid, "/"))


@server.event
def disconnect(sid, reason):
    gone.append(reason)


def push(given):
    for text, key in given:
        event = Event(text.encode(), key)
        for sid in tuple(server.eio.sockets):
            server.eio.sender_for(sid)(event)


def emit(given):
    server.emit(*given)


def holding(given):
    return held


def wait(given):
    released.clear()
    held.append(given)
    while not released.is_set():
        server.sleep(0.01)
    held.pop()


def release(given):
    released.set()


def ping(given):
    """From the next websocket on."""
    interval, timeout = given
    server.eio.ping_interval = interval
    server.eio.ping_timeout = timeout
    if engine == "epoll":
        server.eio.loop.clock = PingScheduler(*given)


def limit(given):
    server.eio._max_sockets = given


def end(given):
    server.eio.end(given)


def tasks(given):
    gc.collect()
    living = sum(isinstance(one, greenlet) and bool(one) for one in gc.get_objects())
    queues = [getattr(server.eio, name, ()) for name in ("_work", "_greedy_work")]
    # Threads that wait for work, and stay: the engine's, and gunicorn's for requests.
    threads = [queue for queue in queues if hasattr(queue, "_busy")]
    waiting = sum(queue._workers - queue._busy for queue in threads)
    waiting += sum(one.name.startswith("ThreadPool") for one in threading.enumerate())
    return threading.active_count() - waiting if mode == "threading" else living


def kinds(given):
    return sorted({type(one).__module__ for one in tuple(server.eio.sockets.values())})


DEEDS = {
    deed.__name__: deed
    for deed in (push, emit, holding, wait, release, ping, limit, end, tasks, kinds)
}


def state():
    backlogs = [getattr(one, "_backlog", None) for one in tuple(server.eio.sockets.values())]
    return {
        "sockets": sum(not one.closed for one in tuple(server.eio.sockets.values())),
        "handled": handled,
        "gone": gone,
        "waiting": [backlog.size for backlog in backlogs if backlog],
    }


def do(what, given):
    answer = DEEDS[what](given) if what in DEEDS else None
    return state() if answer is None else answer


def control(environ, start_response):
    what = environ["PATH_INFO"].strip("/")
    try:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    except OSError:  # it has not come whole
        body = b""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(do(what, json.loads(body or b"null"))).encode()]


listener = socket.create_server(("127.0.0.1", port), backlog=1024)
app = Requests(socketio.WSGIApp(server, control), max_of_address)
if served_by == "gthread":
    from gunicorn.app.base import BaseApplication

    class Gunicorn(BaseApplication):
        def load_config(self):
            settings = {"bind": f"fd://{listener.fileno()}", "worker_class": "gthread"}
            settings |= {"threads": 8, "loglevel": "critical", "control_socket_disable": True}
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self):
            return app

    Gunicorn().run()
import_module(f"headway.web.server.serve_{mode}").serve(listener, app, 1000, request_seconds)
while True:
    server.sleep(60)

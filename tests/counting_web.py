"""A web process that also tells how many threads or greenlets, and websockets, live in it:
`python -m tests.counting_web`.
"""

from __future__ import annotations

import gc
import threading
from importlib import import_module
from typing import Any

import wsgi


@wsgi.app.get("/counted")
def counted() -> str:
    engine = wsgi.app.extensions["socketio"].server.eio
    websockets = sum(not one.closed for one in engine.sockets.values())
    return str(websockets + (threads(engine) if wsgi.MODE == "threading" else greenlets()))


def threads(engine: Any) -> int:
    """Return how many threads there are beside those that wait for work."""
    queues = engine._work, engine._greedy_work
    return threading.active_count() - sum(
        queue._workers - queue._busy for queue in queues if queue != ()
    )


def greenlets() -> int:
    """Return how many greenlets run: of gevent's those that serve, and none of its resolver."""
    library, name = ("gevent", "Greenlet") if wsgi.MODE == "gevent" else ("greenlet", "greenlet")
    kind = getattr(import_module(library), name)
    return sum(isinstance(one, kind) and bool(one) for one in gc.get_objects())


if __name__ == "__main__":
    wsgi.main()

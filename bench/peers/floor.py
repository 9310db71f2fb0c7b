"""Peer (e), the floor: a raw Redis publish, and a websocket of eventlet's own that passes it on.

Nothing is stored.

`python -m bench.peers.floor REDIS_URL` reports; with a PORT it is the web process.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import Any

import eventlet

if len(sys.argv) > 2:
    eventlet.monkey_patch()

# Below the patch, on purpose.
import redis
from eventlet import websocket, wsgi

from bench.peers import pace


def serve(url: str, port: int) -> None:
    sockets: dict[str, set[Any]] = defaultdict(set)
    hearing = redis.Redis.from_url(url).pubsub()
    hearing.subscribe("floor")

    def pass_on() -> None:
        for message in hearing.listen():
            if message["type"] == "message":
                room, _, event = message["data"].decode().partition(" ")
                for socket in sockets[room]:
                    socket.send(event)

    @websocket.WebSocketWSGI
    def viewer(socket: Any) -> None:
        room = socket.path[1:]
        sockets[room].add(socket)
        while socket.wait() is not None:
            pass
        sockets[room].discard(socket)

    eventlet.spawn(pass_on)
    wsgi.server(eventlet.listen(("127.0.0.1", port)), viewer, log_output=False)


def report(url: str) -> None:
    client = redis.Redis.from_url(url)

    def say(room: str, done: int, status: str) -> None:
        payload = {
            "task_id": room,
            "state": "PROGRESS",
            "current": done,
            "total": pace.TOTAL,
            "status": status,
        }
        client.publish("floor", f"{room} {json.dumps(payload)}")

    pace.serve({"report": lambda **asked: pace.report(say, **asked)})


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        report(sys.argv[1])

"""Peer (a), the documented Flask-SocketIO pattern: `update_state` and `emit` in the task,
`message_queue`, eventlet.

After Celery's user guide ("Custom states") and Flask-SocketIO's documentation ("Rooms", "Emitting
from an External Process"). `python -m bench.peers.pattern REDIS_URL` reports; with a PORT it is the
web process.
"""

from __future__ import annotations

import sys
from typing import Any

import eventlet

if len(sys.argv) > 2:
    eventlet.monkey_patch()

# Below the patch, on purpose.
from celery import Celery
from flask import Flask
from flask_socketio import SocketIO, join_room

from bench.peers import pace


def serve(url: str, port: int) -> None:
    app = Flask(__name__)
    socketio = SocketIO(app, message_queue=url, async_mode="eventlet")

    @socketio.on("join")
    def join(data: dict[str, str]) -> None:
        join_room(data["room"])

    socketio.run(app, port=port)


def report(url: str) -> None:
    celery = Celery("pattern", broker=url, backend=url)
    socketio = SocketIO(message_queue=url)

    def say(task: Any, task_id: str, done: int, status: str) -> None:
        meta = {"current": done, "total": pace.TOTAL, "status": status}
        task.update_state(task_id=task_id, state="PROGRESS", meta=meta)
        socketio.emit("progress", {"task_id": task_id, "state": "PROGRESS", **meta}, to=task_id)

    @celery.task(bind=True)
    def reports(self: Any, **asked: Any) -> dict[str, Any]:
        return pace.report(lambda *what: say(self, *what), **asked)

    @celery.task(bind=True)
    def cost(self: Any, **asked: Any) -> float:
        return pace.cost(body=lambda: say(self, self.request.id, 1, pace.STATUS), **asked)

    @celery.task
    def long_task() -> None:
        """The article's task, to be sent and never run here."""

    pace.serve(
        {
            "report": lambda **asked: pace.run(reports, **asked),
            "cost": lambda **asked: pace.run(cost, **asked),
            "start": lambda seconds: pace.starts(seconds, long_task.apply_async),
        }
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        report(sys.argv[1])

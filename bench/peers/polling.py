"""Peer (c), the article's status endpoint: Flask and `AsyncResult`, on the server that the others
are on.

`python -m bench.peers.polling REDIS_URL PORT`.
"""

from __future__ import annotations

import sys

import eventlet

eventlet.monkey_patch()

# Below the patch, on purpose.
from celery import Celery
from eventlet import wsgi
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue


def serve(url: str, port: int) -> None:
    app = Flask(__name__)
    celery = Celery("polling", broker=url, backend=url)

    @app.route("/status/<task_id>")
    def taskstatus(task_id: str) -> ResponseReturnValue:
        task = celery.AsyncResult(task_id)
        if task.state == "PENDING":
            return jsonify({"state": task.state, "current": 0, "total": 1, "status": "Pending..."})
        if task.state == "FAILURE":
            return jsonify(
                {"state": task.state, "current": 1, "total": 1, "status": str(task.info)}
            )
        response = {
            "state": task.state,
            "current": task.info.get("current", 0),
            "total": task.info.get("total", 1),
            "status": task.info.get("status", ""),
        }
        if "result" in task.info:
            response["result"] = task.info["result"]
        return jsonify(response)

    wsgi.server(eventlet.listen(("127.0.0.1", port)), app, log_output=False)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))

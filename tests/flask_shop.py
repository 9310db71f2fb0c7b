"""Somebody's Flask app with Headway in it: `python -m tests.flask_shop PORT`, or under gunicorn
`tests.flask_shop:made()`.

Its Redis comes from the environment.
"""

from __future__ import annotations

import atexit
import os
import sys

from celery import Celery
from flask import Flask, abort, request

from headway import Headway

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")

celery = Celery("shop", broker=URL, backend=f"headway+{URL}", set_as_current=False)
app = Flask("shop")
app.config["SECRET_KEY"] = "a secret for the tests"
headway = Headway()


@celery.task(name="add", shared=False)
def add(x, y):
    return x + y


@app.get("/")
def home():
    return "the shop"


@app.post("/buy")
def buy():
    return {"task_id": add.delay(1, 2).id}


@app.get("/broken")
def broken():
    raise ZeroDivisionError


@app.post("/fork")
def fork():
    if child := os.fork():
        return str(os.waitpid(child, 0)[1])
    atexit._run_exitfuncs()
    os._exit(0)


@app.errorhandler(404)
def own_not_found(error):
    return "the shop knows no such page", 404


@headway.socketio.on("disconnect")
def left(reason):
    print(f"left: {reason}", flush=True)


def use_logins():
    @headway.owner_loader
    def owner():
        user = request.headers.get("X-User")
        if user == "nobody":
            abort(401)
        if user == "broken":
            raise ZeroDivisionError
        return user


def made():
    use_logins()
    headway.init_app(app, celery=celery)
    return app


if __name__ == "__main__":
    made()
    headway.socketio.run(app, port=int(sys.argv[1]), allow_unsafe_werkzeug=True)

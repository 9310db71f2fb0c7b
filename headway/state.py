"""What Headway has in a Flask app, under one key of its `extensions`."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Celery
from flask import Flask, current_app

from headway.celery.broker import Letters
from headway.push.manager import RoomManager
from headway.store.records import Records
from headway.web.origins import Origin

KEY = "headway"


@dataclass(frozen=True)
class State:
    """`encoder` is None where the broker's queues do not lie in the records' Redis."""

    celery: Celery
    records: Records
    manager: RoomManager
    encoder: Letters | None
    max_attempts: int
    allowed_origins: frozenset[Origin]


def state_of(app: Flask) -> State:
    """Return what Headway has in an app."""
    state: State = app.extensions[KEY]
    return state


def state() -> State:
    """Return what Headway has in the current app."""
    return state_of(current_app)

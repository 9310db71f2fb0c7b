"""Headway's state in a Flask app, under one key of its `extensions`."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from headway.push.manager import RoomManager
from headway.system import System
from headway.web.origins import Origin

KEY = "headway"


@dataclass(frozen=True)
class State(System):
    """A system, with what a web process has besides."""

    manager: RoomManager
    allowed_origins: frozenset[Origin]


def state_of(app: Flask) -> State:
    """Return Headway's state in an app."""
    state: State = app.extensions[KEY]
    return state


def state() -> State:
    """Return Headway's state in the current app."""
    return state_of(current_app)

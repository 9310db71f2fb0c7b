"""The doors for operators."""

from __future__ import annotations

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue

from app.errors import Refused
from app.fanout import RoomManager

ops = Blueprint("ops", __name__)

PROOF_SECONDS = 2.0


@ops.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while this process serves; asks nothing of anybody else."""
    return jsonify(status="ok")


@ops.get("/readyz")
def readyz() -> ResponseReturnValue:
    """200 when a message of this process came back to it through Redis, else 503 with `Retry-After`."""
    fanout: RoomManager = current_app.extensions["fanout"]
    if not fanout.prove(PROOF_SECONDS):
        raise Refused(503, "deaf", "This process does not hear Redis.")
    return jsonify(status="ready")

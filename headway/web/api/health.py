"""The endpoints for operators."""

from __future__ import annotations

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue

from headway.state import state
from headway.store.errors import SENTENCES, Reason, RedisUnavailable
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard

ops = Blueprint("headway_ops", __name__)
handle_errors(ops)
guard(ops)

PROOF_SECONDS = 2.0


@ops.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer 200 while this process serves, without asking Redis."""
    return jsonify(status="ok")


@ops.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 if Redis takes new tasks and a message through it came back to this process.

    Else 503 with `Retry-After`; the error's code is a `store.errors.Reason`.
    """
    try:
        state().records.queries.probe()
        proven = state().manager.heartbeat.round_trip(PROOF_SECONDS)
    except RedisUnavailable as error:
        current_app.logger.warning("Not ready: %s: %s", SENTENCES[error.reason], error)
        raise APIError(503, error.reason, f"{SENTENCES[error.reason]}.") from None
    if not proven:
        raise APIError(503, Reason.UNREACHABLE, "This process receives nothing from Redis.")
    return jsonify(status="ready")

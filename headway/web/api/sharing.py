"""The JSON endpoints that share a task by a link with a token, and withdraw such links."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from headway.state import state
from headway.tokens import DAY_SECONDS, of_task, read_token, token
from headway.web.api.parameters import json_body
from headway.web.api.payloads import LASTING, Share
from headway.web.api.reading import read_to_share
from headway.web.api.responses import FRESH
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer, secret_keys_of

sharing = Blueprint("headway_sharing", __name__)
handle_errors(sharing)
guard(sharing)


@sharing.post("/tasks/<task_id>/share")
def share(task_id: str) -> ResponseReturnValue:
    """Make a read-only token for a task: 201 and `{"url", "token", "token_id", "expires_at"}`.

    JSON, if any: `{"expires_in": seconds}`, a day by default. 404 for a task that is not the
    sender's own, also with a token.
    """
    read_to_share(state().records, current_viewer(), task_id)
    response = jsonify(make_link(task_id, _expires_in()))
    response.status_code = 201
    response.headers["Cache-Control"] = FRESH
    return response


@sharing.delete("/tasks/<task_id>/share")
def unshare_all(task_id: str) -> ResponseReturnValue:
    """Revoke all tokens that were made for a task so far; 204."""
    read_to_share(state().records, current_viewer(), task_id)
    state().records.tokens.revoke_all(of_task(task_id))
    return Response(status=204)


@sharing.delete("/tasks/<task_id>/share/<token_id>")
def unshare(task_id: str, token_id: str) -> ResponseReturnValue:
    """Revoke one token of a task; 204, also if it is revoked already."""
    read_to_share(state().records, current_viewer(), task_id)
    try:
        state().records.tokens.revoke(of_task(task_id), token_id)
    except ValueError as error:
        raise APIError(400, "bad_token_id", str(error), {"token_id": "Malformed."}) from None
    return Response(status=204)


def make_link(task_id: str, seconds: float = DAY_SECONDS) -> dict[str, str]:
    """Make a read-only token for a task, and a link with it: what `share` answers."""
    keys = secret_keys_of(current_app)
    made = token(task_id, expires=seconds, secret_key=keys)
    grant = read_token(made, keys)
    assert grant is not None  # it was made with these keys
    return {
        "url": url_for("headway_pages.show", task_id=task_id, token=made, _external=True),
        "token": made,
        "token_id": grant.token_id,
        "expires_at": grant.expires_at,
    }


def _expires_in() -> float:
    """Return for how many seconds the request wants a token. Raises APIError."""
    if not request.get_data():
        return DAY_SECONDS
    wanted: Any = json_body(Share).get("expires_in", DAY_SECONDS)
    if not LASTING.takes(wanted):
        why = f"Must be a number of seconds {LASTING}."
        raise APIError(400, "bad_time", why, {"expires_in": why})
    return float(wanted)

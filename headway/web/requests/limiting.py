"""Counts visitors' requests and websockets against their limits.

What exceeds one raises `LimitReached` (headway/limits.py), which errors.py answers with 429.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, g, request

from headway.limits import LimitReached, subject_of
from headway.state import state, state_of
from headway.web.requests.owners import cookie_sessions, current_owner

LANE = "headway_lane"  # in flask.g: the lane of the current request, if it is costly
OWNER = "headway.owner"  # in a socket's environ, once its cookie has been read

# The limit that a request to each endpoint counts against. `State.admit` counts starts.
KINDS = {
    "headway.status": "reads",
    "headway.batch_status": "reads",
    "headway.result": "reads",
    "headway.log": "reads",
    "headway_streams.stream": "reads",
    "headway_results.result_csv": "reads",
    "headway_files.listing": "reads",
    "headway_files.file": "reads",
    "headway_pages.show": "reads",
    "headway_token_links.follow": "reads",
    "headway_parts.listing": "reads",
    "headway_pages.log_text": "reads",
    "headway_schedules.index": "reads",
    "headway_openapi.show": "reads",
    "headway_start.index": "reads",
    "headway_start.show": "reads",
    "headway_list.show": "lists",
    "headway.start_task": "changes",
    "headway_start.send": "changes",
    "headway_uploads.take": "uploads",
    "headway_tus.options": "reads",
    "headway_tus.show": "reads",
    "headway_tus.append": "reads",
    "headway_tus.end": "changes",
    "headway_tus.override": "changes",
    "headway.cancel": "changes",
    "headway_answers.answer_by_json": "changes",
    "headway.schedule": "changes",
    "headway.retry": "changes",
    "headway.forget": "changes",
    "headway_bulk.change": "changes",
    "headway_pages.act": "changes",
    "headway_parts.retry": "changes",
    "headway_schedules.change": "changes",
    "headway_push.worker": "reads",
    "headway_push.about": "reads",
    "headway_push.subscribe": "changes",
    "headway_push.unsubscribe": "changes",
    "headway_sharing.share": "shares",
    "headway_sharing.unshare": "changes",
    "headway_sharing.unshare_all": "changes",
}

# Costly to answer, besides what counts as a list.
MANY_READS = frozenset({"headway.batch_status"})


def count_request() -> None:
    """Count the current request, before anything is read for it, and wait for its turn.

    Raises LimitReached.
    """
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return  # a browser's preflight, which has no cookie
    endpoint = request.endpoint or ""
    kind = KINDS.get(endpoint)
    if kind is not None:
        count(kind)
    if kind == "lists" or endpoint in MANY_READS:
        _wait_for_others()


def request_has_ended(_: BaseException | None = None) -> None:
    """Let the visitor's next costly request begin."""
    if lane := g.pop(LANE, None):
        lane.leave()


def take_turns(count: int) -> None:
    """Wait for the visitor's turn with something that costs so many turns. Raises LimitReached."""
    _wait_for_others()
    if LANE in g:
        g.get(LANE).charge(count)


def _wait_for_others() -> None:
    """Wait until no other costly request of this visitor is under way. Raises LimitReached."""
    limits = state().limits
    if not limits.are_on or LANE in g:
        return
    lane = limits.lanes.of(current_owner() or subject_of(request.remote_addr or ""))
    if not lane.enter():
        raise LimitReached("You have too many requests under way.", 1.0)
    setattr(g, LANE, lane)


def count(kind: str) -> None:
    """Count the current request as one of this kind. Raises LimitReached."""
    limits = state().limits
    if limits.are_on:
        limits.count(kind, current_owner() or "", request.remote_addr or "")


def count_event(app: Flask, kind: str, environ: dict[str, Any]) -> None:
    """Count a websocket's event. Raises LimitReached."""
    limits = state_of(app).limits
    if limits.are_on:
        limits.count(kind, owner_of_socket(app, environ) or "", environ.get("REMOTE_ADDR", ""))


def socket_quotas(app: Flask, environ: dict[str, Any]) -> Mapping[str, int]:
    """Return the names by which a websocket's client is counted, and how many each may have."""
    limits = state_of(app).limits
    if not limits.are_on:
        return {}
    try:
        owner = owner_of_socket(app, environ)
    except Exception:  # of the app's owner loader, whatever it is: each call is answered with it
        owner = None
    address = environ.get("REMOTE_ADDR", "")
    named = {"owner": owner, "address": subject_of(address)}
    return {f"{kind}:{name}": limits.sockets[kind] for kind, name in named.items() if name}


def owner_of_socket(app: Flask, environ: dict[str, Any]) -> str | None:
    """Return the owner who opened a websocket; a visitor's cookie is read once."""
    sessions = cookie_sessions(app)
    if sessions is None:
        with app.request_context(environ):
            return current_owner()
    if OWNER not in environ:
        environ[OWNER] = sessions.owner_in_cookie(
            app, environ.get("HTTP_COOKIE", ""), environ.get("SCRIPT_NAME", "")
        )
    owner: str | None = environ[OWNER]
    return owner

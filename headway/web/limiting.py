"""Counts visitors' requests and websockets against their limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, request

from headway.limits import subject_of
from headway.state import state, state_of
from headway.web.access import cookie_sessions, current_owner

OWNER = "headway.owner"  # in a socket's environ, once its cookie has been read

# What a request to an endpoint counts as. Starts are counted where they are admitted.
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
    "headway_parts.listing": "reads",
    "headway_pages.log_text": "reads",
    "headway_schedules.index": "reads",
    "headway_start.index": "reads",
    "headway_start.show": "reads",
    "headway.list_tasks": "lists",
    "headway.start_task": "changes",
    "headway_start.send": "changes",
    "headway_uploads.take": "uploads",
    "headway.cancel": "changes",
    "headway_answers.answer_by_json": "changes",
    "headway.schedule": "changes",
    "headway.retry": "changes",
    "headway.forget": "changes",
    "headway_several.change": "changes",
    "headway_pages.act": "changes",
    "headway_parts.retry": "changes",
    "headway_schedules.change": "changes",
    "headway_sharing.share": "shares",
    "headway_sharing.unshare": "changes",
    "headway_sharing.unshare_all": "changes",
}


def count_request() -> None:
    """Count the current request, before anything is read for it. Raises LimitReached."""
    kind = KINDS.get(request.endpoint or "")
    if kind is not None:
        count(kind)


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
    owner = owner_of_socket(app, environ)
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

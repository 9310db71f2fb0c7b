"""What the JSON endpoints answer to a start or a change, and why they refuse one."""

from __future__ import annotations

from flask import Response, g, request, url_for

from headway.state import state
from headway.store.model import ChangeResult, Outcome, StartResult
from headway.store.records import Records
from headway.web.api.payloads import KEY
from headway.web.api.reading import NOT_FOUND, SEND_COOKIE, read_mine
from headway.web.requests.cookies import cookie_is_dropped
from headway.web.requests.errors import APIError
from headway.web.requests.headers import hint
from headway.web.requests.viewers import current_viewer

FRESH = "private, no-store"  # Cache-Control of an answer for one viewer
READ_ONLY = APIError(403, "read_only", "This link is read-only: it cannot change the task.")
ONLY_OVER_HTTPS = " Browsers keep it over https only."
# Why a task was not changed.
REFUSALS = {
    Outcome.UNKNOWN: NOT_FOUND,
    Outcome.FINAL: APIError(409, "final", "This task has ended already."),
    Outcome.NOT_WAITING: APIError(
        409, "not_waiting", "This task cannot be rescheduled: it is queued, running or finished."
    ),
    Outcome.NOT_FINAL: APIError(409, "not_final", "This task has not ended yet: cancel it first."),
    Outcome.BUSY: APIError(
        409, "busy", "What depends on this task is being told of its end: try again in a minute."
    ),
}
NOT_ENDED = APIError(409, "not_final", "This task has not ended yet.")
OPEN_ALREADY = APIError(409, "open_already", "Such a task is open already.")


def get_records() -> Records:
    """Return the app's records."""
    return state().records


def accepted(started: StartResult) -> Response:
    """Answer 202 with the snapshot and, in `Location`, the status address.

    Raises APIError for an open task that this viewer may not see.
    """
    is_existing = started.outcome == Outcome.EXISTING
    if is_existing and not _is_mine(started.task_id):
        raise OPEN_ALREADY
    response = json_text(started.snapshot, 202)
    response.headers["Location"] = url_for("headway.status", task_id=started.task_id)
    if g.get("is_newcomer"):
        hint(SEND_COOKIE + (ONLY_OVER_HTTPS if cookie_is_dropped() else ""))
    if started.outcome == Outcome.REPLAYED:
        response.headers["Idempotency-Replayed"] = "true"
    if is_existing:
        response.headers["Headway-Existing"] = "true"
    return response


def idempotency_key() -> str:
    """Return the key in the request's header or form, "" for none. Raises APIError."""
    key = request.headers.get("Idempotency-Key") or request.form.get("idempotency_key", "")
    if len(key) > KEY.most:
        raise APIError(400, "bad_key", f"An Idempotency-Key has at most {KEY.most} characters.")
    return key


def changed(changed: ChangeResult) -> Response:
    """Answer to a requested change with 202 and the snapshot.

    Raises APIError where the change came too late.
    """
    if changed.snapshot is None:
        raise REFUSALS[changed.outcome]
    return json_text(changed.snapshot, 202)


def json_text(text: str, status: int = 200, cache: str = "") -> Response:
    """Answer with a text that is JSON; `cache` is its Cache-Control, "" for none."""
    response = Response(text + "\n", status, mimetype="application/json")
    if cache:
        response.headers["Cache-Control"] = cache
    return response


def _is_mine(task_id: str) -> bool:
    found, _ = read_mine([task_id], current_viewer(), get_records().read)
    return task_id in found

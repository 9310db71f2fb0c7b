"""The operators' page of the tasks that run every so often: when, paused or not, run now."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from headway.service import start
from headway.snapshot import rfc3339
from headway.store.schedules import StoredSchedule
from headway.web.api.parameters import json_body
from headway.web.api.payloads import ChangeSchedule
from headway.web.api.responses import FRESH, accepted, get_records, idempotency_key
from headway.web.requests.errors import APIError, handle_errors, wants_json, wants_page
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

schedules = Blueprint("headway_schedules", __name__, template_folder="../../templates")
handle_errors(schedules)
guard(schedules)

UNSEEN_SECONDS = 120.0  # after which no worker seems to have a schedule
NOT_FOUND = APIError(404, "not_found", "There is no such schedule.")
BAD_ACTION = APIError(400, "bad_action", "The action is pause, resume or run.")


@schedules.get("/schedules")
def index() -> ResponseReturnValue:
    """Show the schedules to an operator; others get 404.

    200 and `{"schedules": [{"name", "title", "rule", "next_at", "ran_at", "task_id", "missed",
    "paused", "has_worker"}]}`, or a page for a browser. Times are RFC 3339 or null; `missed` is how
    often it was due before its last run, without one.
    """
    _only_operators()
    shown = [_shown(stored) for stored in get_records().schedules.all()]
    if wants_page() and not wants_json():
        answer = make_response(render_template("headway/schedules.html", schedules=shown))
    else:
        answer = jsonify(schedules=shown)
    answer.headers["Cache-Control"] = FRESH
    return answer


@schedules.post("/schedules/<name>")
def change(name: str) -> ResponseReturnValue:
    """Pause a schedule, have it go on, or run its task now, for an operator.

    JSON or a form with `action`: "pause", "resume" or "run". A run is answered as `POST /tasks`
    answers, the others with the schedule; a browser is redirected to the task or to the page.
    """
    _only_operators()
    key = idempotency_key()
    given = json_body(ChangeSchedule) if request.is_json else request.form
    action = given.get("action")
    if action not in ("pause", "resume", "run"):
        raise BAD_ACTION
    stored = _stored(name)
    is_page = wants_page() and not wants_json()
    if action == "run":
        started = start(stored.name, {}, owner="", key=key)
        if is_page:
            return redirect(url_for("headway_pages.show", task_id=started.task_id), 303)
        return accepted(started)
    get_records().schedules.pause(name, is_paused=action == "pause")
    return redirect(url_for(".index"), 303) if is_page else jsonify(_shown(_stored(name)))


def _only_operators() -> None:
    if not current_viewer().sees_unowned:
        raise NOT_FOUND


def _stored(name: str) -> StoredSchedule:
    found = {stored.name: stored for stored in get_records().schedules.all()}
    if name not in found:
        raise NOT_FOUND
    return found[name]


def _shown(stored: StoredSchedule) -> dict[str, Any]:
    return {
        "name": stored.name,
        "title": stored.title,
        "rule": stored.rule,
        "next_at": None if stored.is_paused else _time(stored.next),
        "ran_at": _time(stored.ran_at),
        "task_id": stored.task_id or None,
        "missed": stored.missed,
        "paused": stored.is_paused,
        "has_worker": time.time() - stored.seen / 1e6 < UNSEEN_SECONDS,
    }


def _time(micros: int) -> str | None:
    if not micros:
        return None
    return rfc3339(datetime.fromtimestamp(micros / 1e6, UTC))

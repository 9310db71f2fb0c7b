"""Changes several tasks in one request: cancels them, runs them again, forgets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from json import loads
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Blueprint, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue

from headway.display.languages import Counted, Sentence
from headway.service import rerun
from headway.snapshot import Snapshot
from headway.state import state
from headway.store.model import Outcome, TaskRecord
from headway.web.api.parameters import json_body
from headway.web.api.payloads import TASK_IDS, Several
from headway.web.api.reading import NOT_FOUND, read_mine
from headway.web.api.responses import (
    FRESH,
    NOT_ENDED,
    OPEN_ALREADY,
    READ_ONLY,
    REFUSALS,
    get_records,
    idempotency_key,
)
from headway.web.requests.errors import (
    REFUSED,
    APIError,
    handle_errors,
    refusal_of,
    wants_json,
    wants_page,
)
from headway.web.requests.security import guard
from headway.web.requests.viewers import Viewer, current_viewer

bulk = Blueprint("headway_bulk", __name__, template_folder="../../templates")
handle_errors(bulk)
guard(bulk)

BAD_ACTION = APIError(400, "bad_action", "The action is cancel, retry or forget.")
BAD_IDS = APIError(400, "bad_task_ids", Sentence("Choose 1 to {most} tasks.", most=TASK_IDS.most))

# A path of this site; browsers take one that begins with two slashes, of either kind, for a host.
OWN_PATH = re.compile(r"/(?![/\\])")


class Change(NamedTuple):
    """What became of one task; `snapshot` (JSON) is "" for a forgotten one, and where refused."""

    task_id: str
    title: str
    snapshot: str = ""
    refusal: APIError | None = None


def _cancel(task_id: str, _stored: TaskRecord, _key: str) -> str:
    changed = get_records().cancel_all(task_id)
    if changed.snapshot is None:
        raise REFUSALS[changed.outcome]
    return changed.snapshot


def _retry(task_id: str, stored: TaskRecord, key: str) -> str:
    if not Snapshot.from_json(stored.snapshot).final:
        raise NOT_ENDED
    own_key = f"{key} {task_id}" if key else ""
    started = rerun(task_id, owner=stored.owner, key=own_key)
    if started.outcome == Outcome.EXISTING:
        raise OPEN_ALREADY
    return started.snapshot


def _forget(task_id: str, _stored: TaskRecord, _key: str) -> str:
    outcome = state().forget(task_id)
    if outcome != Outcome.FORGOTTEN:
        raise REFUSALS[outcome]
    return ""


# Each changes one task: its id, its record and the request's idempotency key ("" none); it returns
# the snapshot that is to be shown.
Action: TypeAlias = Callable[[str, TaskRecord, str], str]
ACTIONS: Mapping[str, Action] = {"cancel": _cancel, "retry": _retry, "forget": _forget}
# Of one task, and of several.
DONE = {
    "cancel": Counted("{done} of 1 task cancelled", "{done} of {count} tasks cancelled"),
    "retry": Counted("{done} of 1 task started again", "{done} of {count} tasks started again"),
    "forget": Counted("{done} of 1 task forgotten", "{done} of {count} tasks forgotten"),
}


@bulk.post("/tasks/batch")
def change() -> ResponseReturnValue:
    """Cancel, rerun or forget several tasks; what cannot be done to one is done to the others.

    JSON `{"action", "task_ids"}`, or a form with `action` and a `task_id` for each: 200 and
    `{"action", "done": [ids], "snapshots", "refused": [{"task_id", "code", "message"}]}`; a page
    for a browser, which asks before it forgets. A task that is not the sender's, unknown or
    malformed is refused as `not_found`.
    """
    is_page = wants_page() and not wants_json()
    body = json_body(Several) if request.is_json else {}
    name = body.get("action", request.form.get("action"))
    if not isinstance(name, str) or name not in ACTIONS:
        raise BAD_ACTION
    task_ids = _task_ids(body.get("task_ids", request.form.getlist("task_id")))
    if is_page and name == "forget" and request.form.get("confirmed") != "yes":
        return _page(name, task_ids, None)
    changes = _change_all(name, task_ids, current_viewer())
    return _page(name, task_ids, changes) if is_page else _json(name, changes)


def _task_ids(given: object) -> list[str]:
    """Return the ids, each once. Raises APIError."""
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise BAD_IDS
    if not TASK_IDS.takes(given):
        raise BAD_IDS
    return list(dict.fromkeys(given))


def _change_all(name: str, task_ids: Sequence[str], viewer: Viewer) -> list[Change]:
    """Change these tasks. Raises RedisUnavailable where Redis cannot say which are the viewer's."""
    found, _ = read_mine(task_ids, viewer, get_records().read)
    key = idempotency_key()
    return [_change_one(name, task_id, found.get(task_id), viewer, key) for task_id in task_ids]


def _change_one(
    name: str, task_id: str, stored: TaskRecord | None, viewer: Viewer, key: str
) -> Change:
    if stored is None:
        return Change(task_id, Sentence("A task"), refusal=NOT_FOUND)
    title = loads(stored.snapshot)["title"]
    if not viewer.may_change(task_id, stored):
        return Change(task_id, title, refusal=READ_ONLY)
    try:
        return Change(task_id, title, ACTIONS[name](task_id, stored, key))
    except REFUSED as error:
        error.__traceback__ = None  # some are constants, whose traceback would grow
        return Change(task_id, title, refusal=refusal_of(error))


def _json(name: str, changes: Sequence[Change]) -> ResponseReturnValue:
    response = jsonify(
        action=name,
        done=[one.task_id for one in changes if one.refusal is None],
        snapshots=[loads(one.snapshot) for one in changes if one.snapshot],
        refused=[
            {"task_id": one.task_id, "code": one.refusal.code, "message": one.refusal.message}
            for one in changes
            if one.refusal is not None
        ],
    )
    response.headers["Cache-Control"] = FRESH
    return response


def _page(
    name: str, task_ids: Sequence[str], changes: Sequence[Change] | None
) -> ResponseReturnValue:
    """Answer with what became of the tasks, or with the question whether to forget them."""
    response = make_response(
        render_template(
            "headway/several.html",
            action=name,
            task_ids=task_ids,
            done=DONE[name],
            changes=changes,
            refused=[one for one in changes or () if one.refusal is not None],
            back=_back(),
            idempotency_key=idempotency_key() or str(uuid4()),
        )
    )
    response.headers["Cache-Control"] = FRESH
    return response


def _back() -> str:
    """Return the path of the page that the form was on, "" where it is not known."""
    try:
        page = urlsplit(request.form.get("back", request.referrer or ""))
    except ValueError:  # no address at all
        return ""
    if page.netloc not in ("", request.host) or not OWN_PATH.match(page.path):
        return ""
    return f"{page.path}?{page.query}" if page.query else page.path

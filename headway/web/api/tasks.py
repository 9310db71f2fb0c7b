"""The JSON endpoints: status, an owner's list, starting and changing tasks, results, logs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from headway.service import due_at, rerun, start
from headway.snapshot import Phase, Snapshot, fragment
from headway.state import state
from headway.store.model import Outcome, TaskRecord
from headway.web.api.batch_etags import BATCH_ETAGS
from headway.web.api.parameters import (
    integer,
    json_body,
    when_of,
)
from headway.web.api.payloads import (
    ARGS_OR_RESUME,
    OFFSET,
    SOME_TIME,
    TASK_IDS,
    Cancel,
    Retry,
    Start,
    When,
)
from headway.web.api.reading import (
    NOT_FOUND,
    read_mine,
    read_one,
    read_to_share,
    reading_news,
)
from headway.web.api.responses import (
    FRESH,
    NOT_ENDED,
    READ_ONLY,
    REFUSALS,
    accepted,
    changed,
    get_records,
    idempotency_key,
    json_text,
)
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.owners import get_or_create_owner
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

api = Blueprint("headway", __name__)
handle_errors(api)
guard(api)

IS_ANOTHER = APIError(412, "precondition_failed", "This is another version of the task.")
BAD_IDS = APIError(
    400, "bad_task_ids", f"Ask for {TASK_IDS} tasks: /status?task_id=...&task_id=..."
)
ASK_AGAIN = "private, no-cache"  # Cache-Control of answers with an ETag


def server_state() -> dict[str, Any]:
    """Return the payload of the `server` event, as it is now or was at the last heartbeat."""
    return state().manager.status.recent()


@api.get("/status/<task_id>")
def status(task_id: str) -> ResponseReturnValue:
    """Answer 200 and the snapshot with an ETag, or 304 on If-None-Match.

    404 for a task that is unknown, expired or somebody else's.
    """
    known = next(iter(request.if_none_match), None) or ""  # of an empty tag Werkzeug says None
    stored = _mine(task_id, known)
    response = json_text(stored.snapshot) if stored.snapshot else Response(status=304)
    response.set_etag(stored.tag)
    response.headers["Cache-Control"] = ASK_AGAIN
    response.make_conditional(request)
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        raise IS_ANOTHER
    return response


@api.get("/status")
def batch_status() -> ResponseReturnValue:
    """Answer `?task_id=a&task_id=b`, up to 100 ids, with `{"snapshots", "missing", "server"}`.

    With an ETag: 304 on If-None-Match where nothing but the time has changed.
    """
    task_ids = request.args.getlist("task_id")
    if not TASK_IDS.takes(task_ids):
        raise BAD_IDS
    known = next(iter(request.if_none_match), None) or ""
    viewer = current_viewer()
    server = server_state()
    found, missing = read_mine(task_ids, viewer, reading_news(BATCH_ETAGS.get(known)))
    tag = BATCH_ETAGS.add(found, missing, server)
    if tag != known and not all(stored.snapshot for stored in found.values()):
        found, missing = read_mine(task_ids, viewer, get_records().read)
        tag = BATCH_ETAGS.add(found, missing, server)
    if tag == known:
        response = Response(status=304)
    else:
        snapshots = ",".join(stored.snapshot for stored in found.values())
        response = json_text(
            f'{{"snapshots":[{snapshots}],"missing":{fragment(missing)},"server":{fragment(server)}}}'
        )
    response.set_etag(tag)
    response.headers["Cache-Control"] = FRESH
    return response


@api.post("/tasks")
def start_task() -> ResponseReturnValue:
    """Start a task by JSON `{"name", "args", "countdown" or "eta"}`; 202 and the snapshot."""
    body = json_body(Start)
    name = body.get("name")
    if not isinstance(name, str):
        raise APIError(400, "bad_request", "Which task?", {"name": "Must be the name of a task."})
    args = _checked_args(body.get("args", {}))
    countdown, eta = when_of(body)
    owner = get_or_create_owner() or ""
    return accepted(
        start(name, args, owner=owner, key=idempotency_key(), countdown=countdown, eta=eta)
    )


@api.post("/tasks/<task_id>/cancel")
def cancel(task_id: str) -> ResponseReturnValue:
    """Cancel a task and its parts; 202 and the snapshot, `cancelling` while it runs.

    409 if all have ended. JSON, if any: `{"parts": false}`, to leave its parts alone.
    """
    _to_change(task_id)
    body = json_body(Cancel) if request.is_json and request.get_data() else {}
    parts = body.get("parts", True)
    if not isinstance(parts, bool):
        why = {"parts": "Must be true or false."}
        raise APIError(400, "bad_parts", "Give parts as true or false.", why)
    records = get_records()
    return changed(records.cancel_all(task_id) if parts else records.cancel(task_id))


@api.post("/tasks/<task_id>/schedule")
def schedule(task_id: str) -> ResponseReturnValue:
    """Reschedule a scheduled or retrying task by JSON `{"countdown"}` (0 is now) or `{"eta"}`.

    202 and the snapshot; 409 in any other phase.
    """
    _to_change(task_id)
    body = json_body(When)
    if not SOME_TIME.takes(body):
        raise APIError(400, "bad_time", 'Give a time: {"countdown": seconds} or {"eta": time}.')
    return changed(get_records().reschedule(task_id, due_at(*when_of(body))))


@api.post("/tasks/<task_id>/retry")
def retry(task_id: str) -> ResponseReturnValue:
    """Start a new task like one that has ended; 202, 409 if it has not ended.

    JSON, if any: `{"args": {...}}`, other arguments, all of them, for the same kind of task; not
    by a token; or `{"resume": true}`: it goes on where the old one was saved.
    """
    stored = _to_change(task_id)
    body = json_body(Retry) if request.is_json and request.get_data() else {}
    args = None if body.get("args") is None else _checked_args(body["args"])
    resume = body.get("resume", False)
    if not isinstance(resume, bool) or not ARGS_OR_RESUME.takes(body):
        raise APIError(
            400,
            "bad_resume",
            "Give resume as true or false, and with true no args.",
            {"resume": "Must be true or false, and false where there are args."},
        )
    key = idempotency_key()
    ended = Snapshot.from_json(stored.snapshot)
    if not ended.final:
        raise NOT_ENDED
    if args is None:
        return accepted(rerun(task_id, owner=stored.owner, key=key, resume=resume))
    read_to_share(get_records(), current_viewer(), task_id)
    return accepted(start(ended.name, args, owner=stored.owner, key=key))


@api.post("/tasks/<task_id>/forget")
def forget(task_id: str) -> ResponseReturnValue:
    """Delete what is kept of a task that has ended, for good; 204, 409 if it has not ended."""
    _to_change(task_id)
    outcome = state().forget(task_id)
    if outcome != Outcome.FORGOTTEN:
        raise REFUSALS[outcome]
    return Response(status=204)


@api.get("/tasks/<task_id>/result")
def result(task_id: str) -> ResponseReturnValue:
    """Answer with the whole result as JSON, a file with `?download`; 409 before success."""
    stored = _mine(task_id)
    found = get_records().results.read(task_id)
    if found is None:
        ended_well = Snapshot.from_json(stored.snapshot).phase == Phase.SUCCEEDED
        raise (
            NOT_FOUND if ended_well else APIError(409, "no_result", "This task has not succeeded.")
        )
    size, pieces = found
    response = Response(pieces, mimetype="application/json")
    response.content_length = size
    response.headers["Cache-Control"] = FRESH
    if "download" in request.args:
        response.headers["Content-Disposition"] = f'attachment; filename="{task_id}.json"'
    return response


@api.get("/tasks/<task_id>/log")
def log(task_id: str) -> ResponseReturnValue:
    """Answer with the stored log lines after the number in `?after=`.

    `{"lines": [{"seq", "at", "level", "text"}], "first_seq", "last_seq"}`.
    """
    after = integer(request.args.get("after", "0"), "after", OFFSET)
    _mine(task_id)
    return json_text(fragment(get_records().queries.read_log(task_id, after)), cache=FRESH)


def _checked_args(args: Any) -> dict[str, Any]:
    """Return the arguments in a request's JSON, an object. Raises APIError."""
    if isinstance(args, dict):
        return args
    why = {"args": "Must be an object: arguments by name."}
    raise APIError(400, "bad_request", "With which arguments?", why)


def _mine(task_id: str, known: str = "") -> TaskRecord:
    return read_one(get_records(), current_viewer(), task_id, known)


def _to_change(task_id: str) -> TaskRecord:
    viewer = current_viewer()
    stored = read_one(get_records(), viewer, task_id)
    if not viewer.may_change(task_id, stored):
        raise READ_ONLY
    return stored

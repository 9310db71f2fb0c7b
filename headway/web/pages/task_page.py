"""A task's own page, `/tasks/<task id>`: what is known of it, its log, what can be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from headway import masking
from headway.display import action_words, words
from headway.display.labels import Labels, labels_for_page, labels_of
from headway.display.languages import Sentence, say
from headway.display.parts import has_open_parts
from headway.files.upload import is_upload_id
from headway.service import due_at, rerun
from headway.shapes import SnapshotDict
from headway.snapshot import Snapshot
from headway.state import state
from headway.store.history import TaskDetails
from headway.store.model import LogPage, TaskRecord
from headway.tokens import of_task
from headway.web.api.answers import CameTooLate, answer_by_form, form_of
from headway.web.api.files import files_shown
from headway.web.api.part_tree import read_parts
from headway.web.api.reading import read_mine, read_one, read_to_share
from headway.web.api.responses import FRESH, READ_ONLY, get_records, idempotency_key
from headway.web.api.sharing import make_link
from headway.web.api.tasks import status
from headway.web.assets import script_address
from headway.web.pages.facts import facts
from headway.web.pages.form_files import own_files
from headway.web.pages.log_view import LEVELS, LogQuery, by_attempt
from headway.web.pages.plot import plot
from headway.web.pages.results import shown_result
from headway.web.pages.snippets import curl, python
from headway.web.pages.start_page import can_refill
from headway.web.pages.stream_view import stream_ends
from headway.web.pages.timeline import timeline, waiting_at
from headway.web.requests.errors import APIError, handle_errors, wants_json, wants_page
from headway.web.requests.limiting import count
from headway.web.requests.security import guard
from headway.web.requests.viewers import Viewer, carried_token, current_viewer, held_token

pages = Blueprint("headway_pages", __name__, template_folder="../../templates")
handle_errors(pages)
guard(pages)

MAX_SHOWN_CHARS = 20_000  # of arguments, a result or a traceback
BAD_ACTION = APIError(
    400,
    "bad_action",
    "The action is answer, cancel, cancel_task, now, again, go_on, share or unshare.",
)


@pages.get("/tasks/<task_id>")
def show(task_id: str) -> ResponseReturnValue:
    """Answer a browser with the page, any other client with the snapshot, as the status does.

    404 for a task that is unknown, expired or somebody else's.
    """
    if wants_json() or not wants_page():
        return status(task_id)
    viewer = current_viewer()
    stored = read_one(get_records(), viewer, task_id)
    return _page(_shown(viewer, stored))


@pages.post("/tasks/<task_id>")
def act(task_id: str) -> ResponseReturnValue:
    """Do what a button of the page asks for, and answer with a redirect to the page.

    Form: `action` is `cancel` (its parts too), `cancel_task` (without them), `now`, `again` or
    `go_on` (again, from where it was saved), perhaps with `idempotency_key`; or `answer`, with
    `question_id` and the fields of the answer, which may be wrong: the page says so, 422. An answer
    that comes too late changes nothing, and the page says that, 409; any other action does so
    without a word: the page shows what the task is by then. `share` answers with the page and a
    link to it, `unshare` withdraws all links.
    """
    if request.form.get("action") == "share":
        count("shares")
    viewer = current_viewer()
    if request.form.get("action") in ("share", "unshare"):
        return _share(viewer, task_id, request.form["action"])
    stored = read_one(get_records(), viewer, task_id)
    if not viewer.may_change(task_id, stored):
        raise READ_ONLY
    action = request.form.get("action")
    shown = task_id
    if action == "answer":
        if refused := _answer(viewer, stored):
            return refused
    elif action in ("cancel", "cancel_task"):
        records = get_records()
        cancel = records.cancel_all if action == "cancel" else records.cancel
        cancel(task_id)
    elif action == "now":
        get_records().reschedule(task_id, due_at(0, None))
    elif action in ("again", "go_on"):
        if Snapshot.from_json(stored.snapshot).final:
            resume = action == "go_on"
            again = rerun(task_id, owner=stored.owner, key=idempotency_key(), resume=resume)
            shown = again.task_id
    else:
        raise BAD_ACTION
    return redirect(url_for(".show", task_id=shown, **carried_token(viewer)), 303)


def _answer(viewer: Viewer, stored: TaskRecord) -> Response | None:
    """Answer by the form that was sent; return the page that says why this cannot be."""
    task: SnapshotDict = json.loads(stored.snapshot)
    try:
        wrong = answer_by_form(viewer, stored)
    except CameTooLate:
        stored = read_one(get_records(), viewer, task["task_id"])
        return _page({**_shown(viewer, stored), "came_too_late": True}, 409)
    if not wrong:
        return None
    return _page({**_shown(viewer, stored), **form_of(task, wrong)}, 422)


def _share(viewer: Viewer, task_id: str, action: str) -> ResponseReturnValue:
    stored = read_to_share(get_records(), viewer, task_id)
    if action == "share":
        return _page({**_shown(viewer, stored), **_snippets(task_id, make_link(task_id))})
    get_records().tokens.revoke_all(of_task(task_id))
    return _page({**_shown(viewer, stored), "are_withdrawn": True})


def _page(shown: Mapping[str, Any], status: int = 200) -> Response:
    response = make_response(render_template("headway/task.html", **shown), status)
    response.headers["Cache-Control"] = FRESH
    return response


@pages.get("/tasks/<task_id>/log.txt")
def log_text(task_id: str) -> ResponseReturnValue:
    """Answer with the log lines that are kept, as a text file; `level` and `find` as the page."""
    read_one(get_records(), current_viewer(), task_id)
    page = get_records().queries.read_log(task_id, 0)
    wanted = filter(LogQuery.read().matches, page["lines"])
    missing = _missing(page)
    lines = [f"{line['at']} {line['level']} {line['text']}\n" for line in wanted]
    response = Response([*([f"{missing}\n"] if missing else []), *lines], mimetype="text/plain")
    response.headers["Cache-Control"] = FRESH
    response.headers["Content-Disposition"] = f'attachment; filename="{task_id}.log.txt"'
    return response


def _shown(viewer: Viewer, stored: TaskRecord) -> dict[str, Any]:
    """Return what the page's template shows."""
    task: SnapshotDict = json.loads(stored.snapshot)
    task_id = task["task_id"]
    wanted = LogQuery.read()
    records = get_records()
    details = records.history.details(task_id)
    is_private = viewer.sees_all(stored)
    address = {"task_id": task_id, **carried_token(viewer)}
    may_change = viewer.may_change(task_id, stored)
    log = records.queries.read_log(task_id, 0)
    lines = [line for line in log["lines"] if wanted.matches(line)]
    files = files_shown(task_id)
    labels = labels_for_page(task["name"])
    return {
        "task": task,
        "reading": words.read(task, labels),
        "address": address,
        "token": address.get("token", ""),
        "element_token": held_token(viewer),
        "may_change": may_change,
        "facts": facts(task, details.history),
        "actions": action_words.offered(task, labels) if may_change else {},
        **(form_of(task, {}) if may_change else {}),
        "idempotency_key": str(uuid4()),
        **_related(viewer, stored, task, details.continues),
        "plot": plot(task, records.history.points(task_id)),
        "streams": stream_ends(records.queries, task),
        "files": files,
        "timeline": timeline(
            task,
            details.history,
            _requester(viewer, stored),
            viewer.owner if is_private else None,
        ),
        "log": log,
        "log_query": wanted,
        "log_address": {**wanted.address, **address},
        "levels": LEVELS,
        "attempts": by_attempt(lines, details.history),
        "missing": say(_missing(log)),
        "arguments": _arguments(details.message, stored.owner) if is_private else "",
        "can_change_arguments": is_private and viewer.grant is None and can_refill(details.message),
        "result": _json(task["result"]) if task.get("result") is not None else "",
        "shown": shown_result(task, files, address.get("token", "")),
        "failures": _failures(details, labels_of(task["name"])) if is_private else [],
        "script": script_address(),
        "has_push": state().push_key is not None,
        "may_share": is_private and viewer.grant is None,
        **_snippets(task_id, {"token": address.get("token", "")}),
    }


def _related(
    viewer: Viewer, stored: TaskRecord, task: SnapshotDict, source_id: str
) -> dict[str, Any]:
    """Return the tasks around one that `viewer` may open, and what can be done with its parts."""
    parent_id = task["parent_id"]
    next_id = task["resume"].get("task_id") if task["resume"] else None
    known = [task_id for task_id in (parent_id, source_id, next_id) if task_id]
    found, _ = read_mine(known, viewer, get_records().read)
    return {
        "continuation": next_id if next_id in found else None,
        "source": source_id if source_id in found else None,
        "parent": json.loads(found[parent_id].snapshot) if parent_id in found else None,
        "parts_shown": read_parts(get_records(), task["task_id"]) if task["parts"] else None,
        "retry_parts": action_words.retry_parts(task),
        "opens_parts": viewer.sees_all(stored),
        "has_open_parts": has_open_parts(task),
    }


def _snippets(task_id: str, link: Mapping[str, str]) -> dict[str, Any]:
    """Return how a task is read elsewhere; `link` has a token, and of a new one a `url`."""
    status_address = url_for("headway.status", task_id=task_id, _external=True)
    return {
        "link": link.get("url", ""),
        "link_ends": link.get("expires_at", ""),
        "curl": curl(status_address, link["token"]),
        "python": python(status_address, link["token"]),
    }


def _requester(viewer: Viewer, stored: TaskRecord) -> str:
    """Return who requested a task, in words; "" for those who may not know."""
    if not viewer.sees_all(stored):
        return ""
    if not stored.owner:
        return Sentence("a program")
    return Sentence("you") if stored.owner == viewer.owner else stored.owner


def _arguments(message: Mapping[str, Any], owner: str) -> str:
    """Return a message's arguments as text, "" for none; an upload has its name beside its id."""
    given = [*(message.get("args") or ()), *(message.get("kwargs") or {}).values()]
    files = own_files([each for each in given if is_upload_id(each)], owner)

    def named(value: Any) -> Any:
        return f"{files[value]} ({value})" if is_upload_id(value) and value in files else value

    args = [named(each) for each in message.get("args") or ()]
    kwargs = {name: named(each) for name, each in (message.get("kwargs") or {}).items()}
    return _json({"args": args, **kwargs} if args else kwargs) if args or kwargs else ""


def _failures(details: TaskDetails, labels: Labels) -> list[tuple[int, str, str]]:
    """Return attempt, traceback and environment of each failed attempt, the newest first.

    An attempt that ended to wait, as its task's labels call it, has not failed.
    """
    waits = {event["attempt"] for event in details.history if waiting_at(event, labels)}
    return [
        (attempt, _cut(masking.mask(failure["traceback"])), failure["environment"])
        for attempt, failure in sorted(details.failures.items(), reverse=True)
        if attempt not in waits
    ]


def _json(value: Any) -> str:
    text = json.dumps(masking.masked(value), indent=2, ensure_ascii=False, default=str)
    return _cut(text)


def _cut(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARS:
        return text
    more = say("{count} characters more", count=len(text) - MAX_SHOWN_CHARS)
    return f"{masking.head(text, MAX_SHOWN_CHARS)}\n… {more}"


def _missing(log: LogPage) -> str:
    """Say which lines of a log have been dropped, "" for none."""
    lost = log["first_seq"] - 1 if log["lines"] else log["last_seq"]
    said = Sentence("Lines 1 to {line} have been dropped.", line=lost)
    return said if lost > 0 else ""

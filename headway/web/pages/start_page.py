"""The pages that start tasks: `/start` lists the kinds, `/start/<name>` has the form of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from headway import masking
from headway.arguments.controls import DATE_AND_TIME, read
from headway.arguments.form import Field, fields_of, file_fields, filled, label_of, read_form
from headway.display.languages import Sentence, say
from headway.files.uploading import GONE, check, max_bytes_of, uploads_of
from headway.limits import LimitReached
from headway.registry import TASK_TYPES, BadArguments, TaskType
from headway.service import NotKept, start
from headway.state import state
from headway.store.errors import Reason, RedisUnavailable
from headway.store.model import AlreadyUsed, TooLate
from headway.web.api.parameters import time_of
from headway.web.api.reading import read_to_share
from headway.web.api.receiving import too_large
from headway.web.api.responses import FRESH, accepted, get_records, idempotency_key
from headway.web.assets import script_address
from headway.web.pages.form_files import expect_files, missing_files, stored_files, take_files
from headway.web.requests.cookies import refuse_without_cookie
from headway.web.requests.errors import (
    RETRY_AFTER_SECONDS,
    APIError,
    handle_errors,
    nothing_done,
    wants_json,
)
from headway.web.requests.owners import get_or_create_owner
from headway.web.requests.security import guard
from headway.web.requests.viewers import current_viewer

starting = Blueprint("headway_start", __name__, template_folder="../../templates")
handle_errors(starting)
guard(starting)

START_AT = "start_at"
PAST = Sentence("This time has passed.")
PAST_GRACE = timedelta(minutes=1)  # the field has whole minutes
NO_START = Sentence("Must be a date and a time of day in UTC: 2026-11-29T14:30.")
HIDDEN = Sentence("Not filled in, since it holds a secret: {names}. Enter it again.")
NOBODY = APIError(403, "no_owner", "Sign in first: nobody would see the task that you start.")
EXPIRED = Sentence("A file of the earlier task has expired: choose it again.")
USED = Sentence(
    "This form has started a task already, with other values. Send it again to start one more."
)


def has_forms() -> bool:
    """Whether there is a task that can be started by a form."""
    return any(kind.arguments is not None for kind in TASK_TYPES.values())


@starting.get("/start")
def index() -> ResponseReturnValue:
    """Show which tasks can be started, by their headings, each with a link to its form."""
    kinds = [kind for kind in TASK_TYPES.values() if kind.arguments is not None]
    kinds.sort(key=lambda kind: (say(kind.heading).casefold(), kind.name))
    return _fresh(render_template("headway/start.html", kinds=kinds))


@starting.get("/start/<name>")
def show(name: str) -> ResponseReturnValue:
    """Show the form of a task; `?from=<task_id>` fills it with that task's arguments.

    404 for a task without a form, and for an earlier task that is not the visitor's own.
    """
    kind = _kind_of(name)
    owner = _owner()
    if "from" not in request.args:
        return _page(kind, filled(kind.arguments or (), {}), {})
    values = _arguments_of(kind, request.args["from"])
    plain = {name: value for name, value in values.items() if masking.masked(value) == value}
    hidden = ", ".join(label_of(name) for name in values if name not in plain)
    form = filled(kind.arguments or (), plain)
    has_gone = missing_files(kind, form, stored_files(kind, form, owner))
    notes = [say(HIDDEN, names=hidden) if hidden else "", say(EXPIRED) if has_gone else ""]
    return _page(kind, form, {}, message=" ".join(filter(None, notes)))


@starting.post("/start/<name>")
def send(name: str) -> ResponseReturnValue:
    """Start a task by its form, and answer with a redirect to the task's page.

    Form: `args.<name>` for each argument, a file itself or its upload's id, perhaps `start_at`
    (UTC) and `idempotency_key`. The form again, 400, with a message at each field that is wrong
    (422 where uploads have expired); also the form, filled in, when a limit is reached. A client
    that asks for JSON gets what `POST /tasks` answers.
    """
    kind = _kind_of(name)
    expect_files(kind)
    try:
        refuse_without_cookie()
    except RequestEntityTooLarge:  # nothing of the form has been read
        if request.mimetype != "multipart/form-data":
            raise  # there is no file in it
        if wants_json():
            raise too_large() from None
        return _page(kind, filled(kind.arguments or (), {}), {}, 413, too_large().message)
    return _start(kind, _owner())


def _start(kind: TaskType, owner: str) -> ResponseReturnValue:
    """Start a task by the current request's form, and answer."""
    form: Mapping[str, str] = request.form
    try:
        form, unsent = take_files(kind, owner)
        wrong, args, eta = _checked(kind, form, owner)
        if wrong or unsent:
            is_gone = not unsent and set(wrong.values()) == {GONE}
            return _page(kind, form, {**wrong, **unsent}, 422 if is_gone else 400)
        started = start(kind.name, args, owner=owner, key=idempotency_key(), eta=eta)
    except AlreadyUsed:
        if wants_json():
            raise
        return _page(kind, form, {}, 422, USED, is_used=True)
    except LimitReached as reached:
        if wants_json():
            raise
        page = _page(kind, form, {}, reached.status, reached.message)
        page.headers["Retry-After"] = str(reached.seconds)
        return page
    except (RedisUnavailable, TooLate) as error:
        if wants_json():
            raise
        reason = error.reason if isinstance(error, RedisUnavailable) else Reason.UNREACHABLE
        return _page(kind, form, {}, 503, nothing_done(reason))
    if wants_json():
        return accepted(started)
    return redirect(url_for("headway_pages.show", task_id=started.task_id), 303)


def _checked(
    kind: TaskType, form: Mapping[str, str], owner: str
) -> tuple[Mapping[str, str], dict[str, Any], datetime | None]:
    """Return why the form is wrong, by path, and what it says: the arguments, and when."""
    wrong: dict[str, str] = {}
    args = read_form(kind.arguments or (), form)
    eta = None
    try:
        args = kind.merged(args)
        prepared = kind.validate(args)
        check(state(), kind, prepared, uploads_of(state(), kind, prepared, owner))
    except BadArguments as error:
        if wants_json():
            raise
        wrong |= error.fields
    try:
        eta = _start_at()
    except APIError as error:
        if wants_json():
            raise
        wrong[START_AT] = error.message
    return wrong, args, eta


def _start_at() -> datetime | None:
    """Return the time that the form asks for, None for now. Raises APIError."""
    text = request.form.get(START_AT, "").strip()
    if not text:
        return None
    when = time_of(read(text, datetime, is_required=True), START_AT, NO_START)
    if datetime.now(UTC) - when > PAST_GRACE:
        raise APIError(400, "bad_time", PAST, {START_AT: PAST})
    return when


def _kind_of(name: str) -> TaskType:
    kind = TASK_TYPES.get(name)
    if kind is None or kind.arguments is None:
        raise APIError(404, "unknown_task", "There is no form for this task.")
    return kind


def _owner() -> str:
    """Return whose the task will be, "" for an operator's. Raises APIError where nobody's."""
    owner = get_or_create_owner()
    if owner is None and not current_viewer().sees_unowned:
        raise NOBODY
    return owner or ""


def _arguments_of(kind: TaskType, task_id: str) -> dict[str, Any]:
    """Return the arguments of an earlier task of the visitor's own, by name. Raises NotKept."""
    read_to_share(get_records(), current_viewer(), task_id)
    stored = get_records().outbox.message(task_id)
    if stored is None or not can_refill(stored[0]) or stored[0]["task"] != kind.name:
        raise NotKept(task_id)
    message, _ = stored
    args = kind.call.joined(message.get("args") or (), message.get("kwargs") or {})
    own = {each.name for each in kind.arguments or ()}
    options = {name: value for name, value in args.items() if name not in own}
    known = {name: value for name, value in args.items() if name in own}
    return {**known, kind.call.options: options} if options else known


def can_refill(message: Mapping[str, Any]) -> bool:
    """Whether the arguments in a task's message can fill the form of its kind."""
    kind = TASK_TYPES.get(message.get("task", ""))
    return kind is not None and kind.can_refill and "encoded" not in message


def _page(
    kind: TaskType,
    form: Mapping[str, str],
    wrong: Mapping[str, str],
    status: int = 200,
    message: str = "",
    *,
    is_used: bool = False,
) -> Response:
    stored = stored_files(kind, form, get_or_create_owner() or "")
    wrong = {**missing_files(kind, form, stored), **wrong}
    fields = fields_of(kind.arguments or (), form, wrong)
    focus = next(filter(None, (each.first_wrong() for each in fields)), "")
    when = Field(
        START_AT,
        Sentence("Start at"),
        DATE_AND_TIME,
        form.get(START_AT, ""),
        Sentence("In UTC; at once if left empty."),
        wrong.get(START_AT, ""),
    )
    response = _fresh(
        render_template(
            "headway/start_one.html",
            kind=kind,
            fields=fields,
            start_at=when,
            focus=focus or when.first_wrong(),
            wrong=wrong,
            elsewhere=_elsewhere(kind, wrong),
            message=message,
            idempotency_key="" if is_used else form.get("idempotency_key", ""),
            fresh_key=str(uuid4()),
            script=script_address(),
            stored=stored,
            has_files=bool(file_fields(kind.arguments or ())),
            max_bytes=max_bytes_of(state()),
        ),
        status,
    )
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _elsewhere(kind: TaskType, wrong: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with no field of the form: a check may name any argument."""
    shown = {START_AT, *(each.name for each in kind.arguments or ())}
    return {path: why for path, why in wrong.items() if path.partition(".")[0] not in shown}


def _fresh(page: str, status: int = 200) -> Response:
    response = make_response(page, status)
    response.headers["Cache-Control"] = FRESH
    return response

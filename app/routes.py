"""The page, and the article's two routes that start a task."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.extensions import headway
from app.forms import EmailForm
from headway import LimitReached, RedisUnavailable
from headway.texts import say
from headway.views import (
    APIError,
    Listing,
    Query,
    accepted,
    guard,
    idempotency_key,
    read_listing,
    refuse_without_cookie,
    rfc3339,
    server_state,
    wants_json,
    wants_page,
)

ALL = Query(frozenset(), (), ("", ""))

pages = Blueprint("pages", __name__)
guard(pages, {"index": "lists", "send_email": "changes", "long_task": "changes"})


@pages.before_app_request
def lead_to_list() -> ResponseReturnValue | None:
    """Send a browser that asks for the library's list to the page, which shows the same.

    The holder of a token stays: the page is of the visitor's own tasks.
    """
    is_list = request.endpoint == "headway_list.show"
    if not is_list or "token" in request.args or wants_json() or not wants_page():
        return None
    query = urlencode(list(request.args.items(multi=True)))
    return redirect(f"{url_for('pages.index')}?{query}".removesuffix("?"))


@pages.get("/")
def index() -> ResponseReturnValue:
    """Show the page: the forms, and the visitor's tasks.

    Query: `phase` (repeatable), `q` (words), `cursor` (where older tasks begin).
    """
    query = Query.read()
    page = _page(session.get("email", ""), None, query)
    if query.is_first:  # a failure stays on top until the page has been loaded with it
        session["seen"] = rfc3339(datetime.now(UTC))
    return page


@pages.post("/")
def send_email() -> ResponseReturnValue:
    """Send an email, now or in a minute. Form: `email`, `submit`, perhaps `idempotency_key`."""
    form = EmailForm.read(request.form)
    if form.errors:
        if wants_json():
            raise APIError(400, "bad_form", " ".join(form.errors.values()), form.errors)
        return _page(form.email, " ".join(map(say, form.errors.values()))), 400
    refuse_without_cookie()
    try:
        started = headway.start(
            "send_async_email",
            {"email": form.email},
            key=idempotency_key(),
            countdown=form.countdown,
        )
    except LimitReached as reached:
        if wants_json():
            raise
        page = _page(form.email, reached.message)
        return page, reached.status, {"Retry-After": str(reached.seconds)}
    session["email"] = form.email
    if wants_json():
        return accepted(started)
    if form.countdown:
        flash(say("An email will be sent to {email} in one minute", email=form.email))
    else:
        flash(say("Sending email to {email}", email=form.email))
    return redirect(url_for(".index"))


@pages.post("/longtask")
def long_task() -> ResponseReturnValue:
    """Start the long task: 202, `Location: /status/<task_id>`, the snapshot.

    A form without JavaScript is redirected to the page.
    """
    refuse_without_cookie()
    started = headway.start("long_task", key=idempotency_key())
    if wants_page() and not wants_json():
        return redirect(url_for(".index"), 303)
    return accepted(started)


def _page(email: str, error: str | None, query: Query = ALL) -> str:
    seen = session.get("seen", "")
    listing = Listing(query, seen)
    server: dict[str, Any]
    try:
        listing = read_listing(query, seen)
        server = server_state()
    except RedisUnavailable as away:
        # The page still opens, says so, and fills itself when Redis is back.
        current_app.logger.warning("The page is shown without tasks: %s", away)
        server = {"workers": None, "problem": away.problem, "now": ""}
    return render_template(
        "index.html",
        email=email,
        error=error,
        listing=listing,
        server=server,
        idempotency_key=str(uuid4()),
        idempotency_key_long=str(uuid4()),
    )

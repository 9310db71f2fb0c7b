"""The list of a viewer's tasks, `/tasks`: JSON for programs, a page for a browser."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from headway.display import words
from headway.display.labels import labels_for_page
from headway.shapes import SnapshotDict
from headway.snapshot import fragment, rfc3339
from headway.web.api.listing import Query, listing_for
from headway.web.api.parameters import includes_open, integer
from headway.web.api.part_tree import ShownPart
from headway.web.api.payloads import LIMIT
from headway.web.api.reading import (
    counts_for,
    list_for,
    newest_and_open_for,
    refuse_dead_link,
)
from headway.web.api.responses import FRESH, json_text
from headway.web.api.tasks import server_state
from headway.web.assets import script_address
from headway.web.pages.start_page import has_forms
from headway.web.requests.errors import handle_errors, wants_json, wants_page
from headway.web.requests.owners import identify_visitor
from headway.web.requests.security import guard
from headway.web.requests.viewers import Viewer, carried_token, current_viewer, held_token

task_list = Blueprint("headway_list", __name__, template_folder="../../templates")
handle_errors(task_list)
guard(task_list)


@task_list.get("/tasks")
def show() -> ResponseReturnValue:
    """Answer with the owner's tasks, newest first: `{"tasks", "next", "counts", "server"}`.

    `counts` are of all that are kept, by phase. Query: `phase` and `state` (repeatable), `q`
    (words of title, status, error, arguments), `limit`, `cursor` (an answer's `next`), and
    `include=open`: the first page of all begins with the older tasks that have not ended. A
    browser gets the page of it.
    """
    is_page = wants_page() and not wants_json()
    if is_page and "token" not in request.args:
        identify_visitor()
    viewer = current_viewer()
    if is_page:
        return _page(viewer)
    limit = integer(request.args.get("limit", "50"), "limit", LIMIT)
    query = Query.read()
    if includes_open() and query.is_first:
        page, following = newest_and_open_for(viewer, limit)
    else:
        page, following = list_for(viewer, limit, query.phases, query.cursor, query.words)
    cursor = fragment("~".join(following)) if following else "null"
    counts = fragment(counts_for(viewer))
    server = fragment(server_state())
    tasks = ",".join(page)
    return json_text(
        f'{{"tasks":[{tasks}],"next":{cursor},"counts":{counts},"server":{server}}}',
        cache=FRESH,
    )


def _page(viewer: Viewer) -> Response:
    if "token" in request.args:  # else it is the viewer's own list
        refuse_dead_link(viewer)
    listing = listing_for(viewer, Query.read(), rfc3339(datetime.now(UTC)))
    response = make_response(
        render_template(
            "headway/tasks.html",
            listing=listing,
            shown=[_shown(task) for task in listing.tasks or ()],
            address=carried_token(viewer),
            element_token=held_token(viewer),
            may_change=viewer.grant is None or not viewer.grant.read_only,
            may_start=viewer.owner is not None and viewer.grant is None and has_forms(),
            script=script_address(),
        )
    )
    response.headers["Cache-Control"] = FRESH
    return response


def _shown(task: SnapshotDict) -> ShownPart:
    return ShownPart(task, words.read(task, labels_for_page(task["name"])))

"""The endpoints of a task's parts: the tasks that it started."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from headway.service import rerun_failed_parts
from headway.snapshot import Phase, fragment
from headway.web.api.listing import filters_of
from headway.web.api.parameters import cursor_of, integer, phases_asked_for, words_asked_for
from headway.web.api.part_tree import read_parts
from headway.web.api.payloads import LIMIT
from headway.web.api.reading import read_one
from headway.web.api.responses import FRESH, READ_ONLY, get_records, json_text
from headway.web.requests.errors import handle_errors, wants_json, wants_page
from headway.web.requests.security import guard
from headway.web.requests.viewers import carried_token, current_viewer

parts = Blueprint("headway_parts", __name__, template_folder="../../templates")
handle_errors(parts)
guard(parts)

MAX_RERUNS = 100  # parts that one request runs again


@parts.get("/tasks/<task_id>/parts")
def listing(task_id: str) -> ResponseReturnValue:
    """Answer with a task's parts in the order of their starts: `{"tasks", "next"}`.

    Query: `phase`, `state`, `q`, `limit` and `cursor`, as the list of tasks. Those who may see
    a task may see its parts here. A browser gets the page of it.
    """
    records = get_records()
    viewer = current_viewer()
    stored = read_one(records, viewer, task_id)
    phases = phases_asked_for()
    cursor = cursor_of(request.args.get("cursor"))
    if wants_page() and not wants_json():
        address = {"task_id": task_id, **carried_token(viewer)}
        page: dict[str, Any] = {
            "task": json.loads(stored.snapshot),
            "tree_of": read_parts(records, task_id, phases, cursor),
            "filters": filters_of(records.lists.part_counts(task_id), phases),
            "phases": sorted(phase.value for phase in phases),
            "address": address,
            "opens_parts": viewer.sees_all(stored),
        }
        response = make_response(render_template("headway/parts.html", **page))
        response.headers["Cache-Control"] = FRESH
        return response
    limit = integer(request.args.get("limit", "50"), "limit", LIMIT)
    found, following = records.lists.parts(task_id, limit, phases, cursor, words_asked_for())
    next_cursor = fragment("~".join(following)) if following else "null"
    return json_text(f'{{"tasks":[{",".join(found)}],"next":{next_cursor}}}', cache=FRESH)


@parts.post("/tasks/<task_id>/parts/retry")
def retry(task_id: str) -> ResponseReturnValue:
    """Run the failed parts of a task again, at most 100 of them: each takes the place of its own.

    202 and `{"tasks": [snapshots], "left": how many failed ones are left}`; a browser is sent to
    the task's page. A part whose arguments are no longer available is left.
    """
    records = get_records()
    viewer = current_viewer()
    stored = read_one(records, viewer, task_id)
    if not viewer.may_change(task_id, stored):
        raise READ_ONLY
    started = rerun_failed_parts(task_id, owner=stored.owner, limit=MAX_RERUNS)
    if wants_page() and not wants_json():
        address = {"task_id": task_id, **carried_token(viewer)}
        return redirect(url_for("headway_pages.show", **address) + "#parts", 303)
    left = records.lists.part_counts(task_id)[Phase.FAILED]
    tasks = ",".join(one.snapshot for one in started)
    return json_text(f'{{"tasks":[{tasks}],"left":{left}}}', 202)

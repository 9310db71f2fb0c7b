"""Leads the holder of an element's token to a task's addresses, none of which has the token."""

from __future__ import annotations

import re

from flask import Blueprint, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from headway.files.store import TASK_ID
from headway.tokens import read_token
from headway.web.api.responses import FRESH
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard
from headway.web.requests.viewers import TOKEN_COOKIE, secret_keys_of

token_links = Blueprint("headway_token_links", __name__, template_folder="../../templates")
handle_errors(token_links)
guard(token_links)

# It begins with a task's id, so no other site is led to, and has no character that ends a header.
OF_A_TASK = re.compile(rf"/tasks/{TASK_ID.pattern}(?:[/?#][!-\[\]-~]*)?")


@token_links.post("/tokens")
def follow() -> ResponseReturnValue:
    """Lead a browser to one of a task's addresses, and keep in a cookie the token that opens it.

    Form: `token`, and `path`, which is `/tasks/<task_id>` or below it. The cookie goes to such
    addresses alone, not to the list of tasks, and ends with the browser. 303; 400 for an invalid
    token, or for any other path.
    """
    shown = request.form.get("token", "")
    path = request.form.get("path", "")
    if read_token(shown, secret_keys_of(current_app)) is None or not OF_A_TASK.fullmatch(path):
        raise APIError(400, "bad_token", "Send a token, and the path of a task.")
    tasks = url_for("headway_list.show")
    response = redirect(tasks + path.removeprefix("/tasks"), 303)
    response.set_cookie(
        TOKEN_COOKIE,
        shown,
        path=f"{tasks}/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    response.headers["Cache-Control"] = FRESH
    return response

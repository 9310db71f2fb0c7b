"""The status of one task, ahead of Flask: what the article's page and scripts ask for all the time.

The rules are those of the route in `headway/web/api.py`, which answers all that is less common.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

from flask import Flask, Response
from werkzeug.http import http_date, parse_etags

from headway.state import state_of
from headway.store.records import TASK_ID
from headway.web.access import Sessions, guards, visitor
from headway.web.api import ASK_AGAIN
from headway.web.reading import read_one
from headway.web.viewers import Viewer, shows_token

PATH = "/status/"
FLASKS = frozenset({"HTTP_IF_MATCH", "HTTP_ORIGIN"})  # a request with these is Flask's
MAX_VISITORS = 4096  # whose cookies need not be verified anew
ALWAYS = (("Cache-Control", ASK_AGAIN), ("Vary", "Cookie"), *guards().items())

Answer = tuple[str, list[tuple[str, str]], bytes]


class Shortcut:
    """A WSGI app before Flask's own."""

    def __init__(self, app: Flask, sessions: Sessions) -> None:
        self._app = app
        self._beyond = app.wsgi_app
        self._records = state_of(app).records
        self._verify_cookie = lru_cache(MAX_VISITORS)(partial(sessions.verify_cookie, app))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        owner = self._owner(environ)
        if owner is None:
            return self._beyond(environ, start_response)
        try:
            code, headers, body = self._answer(environ, owner)
        except Exception as error:
            return self._failed(environ, error)(environ, start_response)
        start_response(code, headers)
        return [body]

    def _owner(self, environ: dict[str, Any]) -> str | None:
        """Return whose task is asked for, None for a request that is Flask's."""
        path = environ["PATH_INFO"]
        if (
            not path.startswith(PATH)
            or environ["REQUEST_METHOD"] != "GET"
            or environ.keys() & FLASKS
        ):
            return None
        if shows_token(environ) or not TASK_ID.match(path, len(PATH)):
            return None
        # A function of the app's own may ask Flask whatever it likes.
        config = self._app.config
        if config["HEADWAY_OWNER_LOADER"] is not visitor or config["HEADWAY_VISIBLE"] is not None:
            return None
        owner, until = self._verify_cookie(environ.get("HTTP_COOKIE", ""))
        return owner if time.time() < until else None

    def _answer(self, environ: dict[str, Any], owner: str) -> Answer:
        tags = parse_etags(environ.get("HTTP_IF_NONE_MATCH"))
        task_id, known = environ["PATH_INFO"][len(PATH) :], next(iter(tags), "")
        stored = read_one(self._records, Viewer(owner), task_id, known)
        headers = [
            ("Date", _date(int(time.time()))),
            ("ETag", f'"{stored.tag}"'),
            *ALWAYS,
        ]
        if tags.contains_weak(stored.tag):
            return "304 NOT MODIFIED", headers, b""
        body = f"{stored.snapshot}\n".encode()
        return (
            "200 OK",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers],
            body,
        )

    def _failed(self, environ: dict[str, Any], error: Exception) -> Response:
        """Answer to an exception as Flask does to one of a route."""
        with self._app.request_context(environ):
            response = self._app.finalize_request(self._app.handle_user_exception(error))
        response.vary.add("Cookie")
        return response


@lru_cache(1)
def _date(second: int) -> str:
    return http_date(second)

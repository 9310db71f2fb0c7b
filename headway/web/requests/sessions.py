"""The signed cookie of a visitor, whose id in it is the owner of the tasks without a login."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.sansio.http import parse_cookie  # the one that a request uses: it takes any bytes

VISITOR = "visitor"
# Browsers take a cookie of such a name from this very host alone, over TLS, and for all its paths:
# no other host of the domain can give a visitor its own.
HOST_PREFIX = "__Host-"
CLOCK_TOLERANCE_SECONDS = 600  # how far the clocks of two hosts may differ


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions, with a serializer that is made once, not at each request."""

    _made: tuple[Any, URLSafeTimedSerializer | None] = None, None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return the serializer that signs an app's cookies."""
        keys = app.secret_key, app.config.get("SECRET_KEY_FALLBACKS")
        if self._made[0] != keys:
            self._made = keys, super().get_signing_serializer(app)
        return self._made[1]

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session in a request's cookie, an empty one if there is no valid cookie.

        None for an app without a key: then Flask says so where something is put into it.
        """
        if self.get_signing_serializer(app) is None:
            return None
        session, until = self._read(app, request.cookies.get(self.get_cookie_name(app)))
        return self.session_class(session if time.time() < until else {})

    def get_cookie_path(self, app: Flask) -> str:
        """Return the path that Headway is mounted at, so that no other app gets its cookie."""
        return request.script_root or super().get_cookie_path(app)

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name of the cookie, for the path that Headway is mounted at."""
        return self._cookie_name(app, self.get_cookie_path(app))

    def owner_in_cookie(self, app: Flask, cookies: str, root: str = "") -> str | None:
        """Return the visitor's id in a `Cookie` header, None without one or once it has expired.

        `root` is the path that Headway is mounted at.
        """
        name = self._cookie_name(app, root or super().get_cookie_path(app))
        session, until = self._read(app, parse_cookie(cookies).get(name))
        return owner_in_session(session) if time.time() < until else None

    def _cookie_name(self, app: Flask, path: str) -> str:
        can_be_host = (
            app.config["SESSION_COOKIE_SECURE"] and path == "/" and not self.get_cookie_domain(app)
        )
        return f"{HOST_PREFIX if can_be_host else ''}{super().get_cookie_name(app)}"

    def _read(self, app: Flask, cookie: str | None) -> tuple[dict[str, Any], float]:
        """Return the session in a cookie and its expiry (Unix time).

        The clock of the host that signed the cookie may have been ahead. The signature is valid
        all the same, so a cookie from the future is accepted: with a new identity its visitor
        would lose all tasks.
        """
        serializer = self.get_signing_serializer(app)
        if serializer is None or not cookie:
            return {}, 0.0
        try:
            session, signed = serializer.loads(cookie, return_timestamp=True)
        except BadSignature:
            return {}, 0.0
        lifetime = app.permanent_session_lifetime.total_seconds()
        return session, signed.timestamp() + lifetime + CLOCK_TOLERANCE_SECONDS


def owner_in_session(session: Mapping[str, Any]) -> str | None:
    """Return the visitor's id in a session, None without one."""
    found = session.get(VISITOR)
    return found if isinstance(found, str) else None

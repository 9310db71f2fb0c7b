"""Who may see and do what: one predicate for every door, a visitor's cookie, what pages may do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from flask import (
    Flask,
    Request,
    Response,
    after_this_request,
    current_app,
    g,
    has_request_context,
    request,
    session,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.sansio.http import parse_cookie  # the one that a request uses: it takes any bytes

VISITOR = "visitor"
CLOCK_TOLERANCE_SECONDS = 600  # by so much the clocks of two hosts may differ
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CSP = (
    "default-src 'self'; script-src 'self'{nonce}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions, with a serializer that is made once and not at each request."""

    _made: tuple[Any, URLSafeTimedSerializer | None] = None, None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs the cookies of an app."""
        keys = app.secret_key, app.config.get("SECRET_KEY_FALLBACKS")
        if self._made[0] != keys:
            self._made = keys, super().get_signing_serializer(app)
        return self._made[1]

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """Return the session in a request's cookie; an empty one without a cookie of ours."""
        session, until = self._read(app, request.cookies.get(self.get_cookie_name(app)))
        return self.session_class(session if time.time() < until else {})

    def get_cookie_path(self, app: Flask) -> str:
        """Return the path that Headway is mounted at: no other site gets its cookie."""
        return request.script_root or super().get_cookie_path(app)

    def visitor_in(self, app: Flask, cookies: str) -> str | None:
        """Return the visitor whom a `Cookie` header names, None for none or an expired one."""
        session, until = self._read(app, parse_cookie(cookies).get(self.get_cookie_name(app)))
        return visitor_of(session) if time.time() < until else None

    def _read(self, app: Flask, cookie: str | None) -> tuple[dict[str, Any], float]:
        """Return the session in a cookie and when it expires.

        The clock of the host that signed it may have been ahead. The signature is valid all the
        same, so one from the future is accepted: a new identity would cost its visitor all tasks.
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


def visitor() -> str | None:
    """Return the random id in the visitor's signed cookie, None for one who has none yet."""
    return visitor_of(session)


def visitor_of(session: Mapping[str, Any]) -> str | None:
    """Return the visitor's id in a session, None for none."""
    found = session.get(VISITOR)
    return found if isinstance(found, str) else None


def current_owner() -> str | None:
    """Return who the request or socket speaks for, as the app's owner loader says."""
    owner: str | None = current_app.config["HEADWAY_OWNER_LOADER"]()
    return owner or None


def cookie_sessions(app: Flask) -> Sessions | None:
    """Return what reads an owner out of a cookie alone.

    None where only a request can say who it is.
    """
    sessions = app.session_interface
    return (
        sessions
        if app.config["HEADWAY_OWNER_LOADER"] is visitor and isinstance(sessions, Sessions)
        else None
    )


def owner_of_sender() -> str | None:
    """Return whose the tasks are that are sent now: the owner of the request, None outside of one.

    A visitor without an id gets one.
    """
    return (
        welcome()
        if has_request_context() and "HEADWAY_OWNER_LOADER" in current_app.config
        else None
    )


def welcome() -> str | None:
    """Return the owner of the request, after giving a visitor without one an id in a cookie
    that lasts a year.
    """
    if current_app.config["HEADWAY_OWNER_LOADER"] is visitor:
        session.permanent = True
        session.modified = True  # so that the year begins anew
        g.is_newcomer = VISITOR not in session
        session.setdefault(VISITOR, secrets.token_urlsafe(16))
    return current_owner()


def lacks_cookie() -> bool:
    """Whether the request has no cookie of ours, and nothing else identifies its sender."""
    return current_app.config["HEADWAY_OWNER_LOADER"] is visitor and visitor() is None


def cookie_is_dropped() -> bool:
    """Whether a browser drops our Secure cookie, since the page came over plain http.

    A browser says in Origin what it sees; a proxy with TLS that is not among TRUSTED_PROXIES does
    not.
    """
    seen = request.headers.get("Origin", request.scheme)
    return bool(current_app.config["SESSION_COOKIE_SECURE"]) and not seen.lower().startswith(
        "https"
    )


def hint(text: str) -> None:
    """Add a `Headway-Hint` header to this response, for the author of the client."""

    @after_this_request
    def add_header(response: Response) -> Response:
        response.headers["Headway-Hint"] = text
        return response


def nonce() -> str:
    """Return the word by which this answer's page, and no other, may run scripts that stand in
    it.
    """
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def guards(nonce: str | None = None) -> dict[str, str]:
    """Return the headers that every answer has; what is no page needs no nonce."""
    return {
        "Content-Security-Policy": CSP.format(nonce=f" 'nonce-{nonce}'" if nonce else ""),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }

"""The owner of a request, a visitor's signed cookie, and the security headers of answers."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Collection, Mapping
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

from headway.web.requests.origins import Origin

logger = logging.getLogger(__name__)

VISITOR = "visitor"
# Browsers take a cookie of such a name from this very host alone, over TLS, and for all its paths:
# no other host of the domain can give a visitor its own.
HOST_PREFIX = "__Host-"
CLOCK_TOLERANCE_SECONDS = 600  # how far the clocks of two hosts may differ
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CSP = (
    "default-src 'self'; script-src 'self'{nonce}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors {frames}"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
}


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions, with a serializer that is made once, not at each request."""

    _made: tuple[Any, URLSafeTimedSerializer | None] = None, None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return the serializer that signs an app's cookies."""
        keys = app.secret_key, app.config.get("SECRET_KEY_FALLBACKS")
        if self._made[0] != keys:
            self._made = keys, super().get_signing_serializer(app)
        return self._made[1]

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """Return the session in a request's cookie, an empty one if there is no valid cookie."""
        session, until = self._read(app, request.cookies.get(self.get_cookie_name(app)))
        return self.session_class(session if time.time() < until else {})

    def get_cookie_path(self, app: Flask) -> str:
        """Return the path that Headway is mounted at, so that no other app gets its cookie."""
        return request.script_root or super().get_cookie_path(app)

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name of the cookie, for the path that Headway is mounted at."""
        return self._cookie_name(app, self.get_cookie_path(app))

    def owner_in_cookie(self, app: Flask, cookies: str, root: str = "") -> str | None:
        """Return the visitor's id in a `Cookie` header, None if there is none or it expired.

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


def visitor() -> str | None:
    """Return the random id in the visitor's signed cookie, None without one."""
    return owner_in_session(session)


def owner_in_session(session: Mapping[str, Any]) -> str | None:
    """Return the visitor's id in a session, None without one."""
    found = session.get(VISITOR)
    return found if isinstance(found, str) else None


def current_owner() -> str | None:
    """Return the owner of the request or socket, as the app's owner loader says.

    Half a surrogate pair cannot be encoded as UTF-8, so Redis could not store such a name.
    """
    owner: str | None = current_app.config["HEADWAY_OWNER_LOADER"]()
    if owner and not _is_utf8(owner):
        logger.warning("The owner loader returned a name that is not UTF-8, so it is nobody")
        return None
    return owner or None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def cookie_sessions(app: Flask) -> Sessions | None:
    """Return the sessions that read an owner from a cookie alone, None if that takes a request."""
    sessions = app.session_interface
    return (
        sessions
        if app.config["HEADWAY_OWNER_LOADER"] is visitor and isinstance(sessions, Sessions)
        else None
    )


def owner_of_sender() -> str | None:
    """Return the owner of tasks that are sent now: the request's, None outside of a request.

    A visitor without an id gets one.
    """
    return (
        get_or_create_owner()
        if has_request_context() and "HEADWAY_OWNER_LOADER" in current_app.config
        else None
    )


def get_or_create_owner() -> str | None:
    """Return the owner of the request; a visitor without an id gets one in a year-long cookie."""
    if current_app.config["HEADWAY_OWNER_LOADER"] is visitor:
        session.permanent = True
        session.modified = True  # so that the year begins again
        g.is_newcomer = VISITOR not in session
        session.setdefault(VISITOR, secrets.token_urlsafe(16))
    return current_owner()


def lacks_cookie() -> bool:
    """Whether nothing identifies the sender: visitors are known by cookie, and this has none."""
    return current_app.config["HEADWAY_OWNER_LOADER"] is visitor and visitor() is None


def cookie_is_dropped() -> bool:
    """Whether a browser drops our Secure cookie because the page came over plain http.

    A browser's Origin tells the scheme that it sees. The request's own scheme does not where a
    proxy with TLS is not among TRUSTED_PROXIES.
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
    """Return this response's nonce for its Content-Security-Policy."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def security_headers(
    nonce: str | None = None, frames: Collection[Origin] = (), secure: bool = False
) -> dict[str, str]:
    """Return the security headers of every answer.

    Only pages need a nonce. `frames` are the sites whose pages may frame these, and `secure` says
    that browsers are to use https only.
    """
    ancestors = " ".join(["'self'", *sorted(map(str, frames))]) if frames else "'none'"
    policy = CSP.format(nonce=f" 'nonce-{nonce}'" if nonce else "", frames=ancestors)
    transport = {"Strict-Transport-Security": "max-age=31536000"} if secure else {}
    return {"Content-Security-Policy": policy, **HEADERS, **transport}

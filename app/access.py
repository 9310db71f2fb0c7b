"""Who may see and do what: one predicate for every door, the rule for requests from other sites, what pages may do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, g, session
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.sansio.http import parse_cookie  # the one that a request uses: it takes any bytes

from app.records import Stored

VISITOR = "visitor"
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
        keys = app.secret_key, app.config["SECRET_KEY_FALLBACKS"]
        if self._made[0] != keys:
            self._made = keys, super().get_signing_serializer(app)
        return self._made[1]

    def vouched(self, app: Flask, cookies: str) -> tuple[str | None, float]:
        """Return the visitor of a request with these cookies, and until when (in Unix time) they say so."""
        serializer, lifetime = self.get_signing_serializer(app), int(app.permanent_session_lifetime.total_seconds())
        cookie = parse_cookie(cookies).get(self.get_cookie_name(app))
        if serializer is None or not cookie:
            return None, 0.0
        try:
            session, signed = serializer.loads(cookie, max_age=lifetime, return_timestamp=True)
        except BadSignature:
            return None, 0.0
        return visitor_of(session), signed.timestamp() + lifetime


def visitor() -> str | None:
    """Return the random id in the visitor's signed cookie, None for one who has none yet."""
    return visitor_of(session)


def visitor_of(session: Mapping[str, Any]) -> str | None:
    """Return the visitor's id in a session, None for none."""
    found = session.get(VISITOR)
    return found if isinstance(found, str) else None


def current_owner() -> str | None:
    """Return who the request or socket speaks for, as `app.config["IDENTIFY"]` says.

    An app with logins sets that to a function of its own: `create_app({"IDENTIFY": lambda: current_user.get_id()})`.
    """
    owner: str | None = current_app.config["IDENTIFY"]()
    return owner or None


def welcome() -> str | None:
    """Return the owner of the request, after giving a visitor without one an id in a cookie that lasts a year."""
    if current_app.config["IDENTIFY"] is visitor:
        session.permanent = True
        session.modified = True  # so that the year begins anew
        session.setdefault(VISITOR, secrets.token_urlsafe(16))
    return current_owner()


def may_see(stored: Stored | None, owner: str | None) -> bool:
    """Whether `owner` may see a record: it is there, and it is theirs."""
    return stored is not None and owner is not None and stored.owner == owner


def is_foreign(origin: str | None, fetch_site: str | None, scheme: str, host: str) -> bool:
    """Whether a browser sent this request for another site's page.

    Judged by Sec-Fetch-Site, else by Origin against the host; a client that sends neither is no browser.
    ALLOWED_ORIGINS count as our own.
    """
    if origin is not None and origin in current_app.config["ALLOWED_ORIGINS"]:
        return False
    if fetch_site is not None:
        return fetch_site not in ("same-origin", "none")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:  # no browser sends such a thing
        return True
    return (parts.scheme, parts.netloc.lower()) != (scheme, host.lower())


def nonce() -> str:
    """Return the word by which this answer's page, and no other, may run scripts that stand in it."""
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

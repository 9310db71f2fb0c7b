"""Who may see and do what: one predicate for every door, and the rule for requests from other sites."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import current_app, session

from app.records import Stored

VISITOR = "visitor"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def visitor() -> str | None:
    """Return the random id in the visitor's signed cookie, None for one who has none yet."""
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

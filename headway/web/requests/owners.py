"""Whose a request is, and the tasks that it sends: the owner loader decides."""

from __future__ import annotations

import logging
import secrets
from functools import cache

from flask import Flask, current_app, g, has_request_context, session

from headway.web.requests.sessions import VISITOR, Sessions, owner_in_session

logger = logging.getLogger(__name__)


def current_owner() -> str | None:
    """Return the owner of the request or socket, as the app's owner loader says.

    Half a surrogate pair cannot be encoded as UTF-8, so Redis could not store such a name.
    """
    owner: str | None = current_app.config["HEADWAY_OWNER_LOADER"]()
    if owner and not _is_utf8(owner):
        logger.warning("The owner loader returned a name that is not UTF-8, so it is nobody")
        return None
    return owner or None


def visitor() -> str | None:
    """Return the random id in the visitor's signed cookie, None without one."""
    return owner_in_session(session)


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
    """Return the owner of the request; a visitor without an id gets one in a year-long cookie.

    An app without a secret key cannot sign one: its visitors are nobody, which is logged.
    """
    if current_app.config["HEADWAY_OWNER_LOADER"] is visitor:
        if current_app.session_interface.is_null_session(session):
            _warn_of_no_secret_key()
            return None
        session.permanent = True
        session.modified = True  # so that the year begins again
        g.is_newcomer = VISITOR not in session
        session.setdefault(VISITOR, secrets.token_urlsafe(16))
    return current_owner()


def identify_visitor() -> None:
    """Give a visitor without an id one before a page lists their tasks.

    The page's websocket then hears of what they start while it is open.
    """
    if has_request_context() and lacks_cookie():
        get_or_create_owner()


def lacks_cookie() -> bool:
    """Whether nothing identifies the sender: visitors are known by cookie, and this has none."""
    return current_app.config["HEADWAY_OWNER_LOADER"] is visitor and visitor() is None


def cookie_sessions(app: Flask) -> Sessions | None:
    """Return the sessions that read an owner from a cookie alone, None if that takes a request."""
    sessions = app.session_interface
    return (
        sessions
        if app.config["HEADWAY_OWNER_LOADER"] is visitor and isinstance(sessions, Sessions)
        else None
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def _warn_of_no_secret_key() -> None:
    logger.warning(
        "The Flask app has no SECRET_KEY, so no cookie tells its visitors apart: "
        "what they start has no owner, and is shown to none of them"
    )

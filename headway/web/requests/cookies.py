"""Refuses forms from browsers that keep no cookie."""

from __future__ import annotations

import logging
from functools import cache

from flask import current_app, request

from headway.web.requests.errors import APIError
from headway.web.requests.owners import lacks_cookie

logger = logging.getLogger(__name__)

NO_COOKIE = (
    "Nothing was started: your browser did not send the cookie that tells which tasks are yours."
)


def refuse_without_cookie() -> None:
    """Refuse a page whose browser keeps no cookie: it would never see its task. Raises APIError.

    The page came with a cookie, and its form says so. Other clients may start a task before they
    have a cookie.
    """
    if request.form.get("cookie") != "required" or not lacks_cookie():
        return
    if cookie_is_dropped():
        _warn_of_plain_http()
        message = f"{NO_COOKIE} Open this page over https, where it is kept, and allow cookies."
        raise APIError(403, "cookie_required", message)
    raise APIError(
        403, "cookie_required", f"{NO_COOKIE} Allow cookies for this site, then reload the page."
    )


def cookie_is_dropped() -> bool:
    """Whether a browser drops our Secure cookie because the page came over plain http.

    A browser's Origin tells the scheme that it sees. The request's own scheme does not where a
    proxy with TLS is not among TRUSTED_PROXIES.
    """
    seen = request.headers.get("Origin", request.scheme)
    return bool(current_app.config["SESSION_COOKIE_SECURE"]) and not seen.lower().startswith(
        "https"
    )


@cache
def _warn_of_plain_http() -> None:
    logger.warning(
        "A browser keeps no cookie of this server over plain http, and can start nothing: use https"
    )

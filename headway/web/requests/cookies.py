"""Refuses forms from browsers that keep no cookie."""

from __future__ import annotations

import logging
from functools import cache

from flask import request

from headway.web.requests.access import cookie_is_dropped, lacks_cookie
from headway.web.requests.errors import APIError

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


@cache
def _warn_of_plain_http() -> None:
    logger.warning(
        "A browser keeps no cookie of this server over plain http, and can start nothing: use https"
    )

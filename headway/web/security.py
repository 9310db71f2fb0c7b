"""Guards of every endpoint: other sites' pages change nothing, visitors have limits, headers."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from headway.state import state
from headway.web.access import UNSAFE, security_headers
from headway.web.cors import share
from headway.web.errors import APIError
from headway.web.limiting import count_request
from headway.web.origins import is_cross_site


def guard(of: Blueprint) -> None:
    """Apply these guards to all requests of a blueprint."""
    of.before_request(refuse_other_sites)
    of.before_request(count_request)
    of.after_request(add_headers)


def refuse_other_sites() -> None:
    """Refuse a change that another site's page asks for. Raises APIError (403)."""
    if request.method in UNSAFE and is_cross_site(request.environ, state().allowed_origins):
        raise APIError(403, "cross_site", "This request comes from another site's page.")


def add_headers(response: Response) -> Response:
    """Add the security headers and those of cross-origin sharing."""
    response.headers.update(security_headers(g.get("csp_nonce")))
    if "token" in request.args:
        response.headers["Referrer-Policy"] = "no-referrer"  # which would carry the token
    share(response, state().allowed_origins)
    return response

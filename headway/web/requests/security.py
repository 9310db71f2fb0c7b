"""Guards of every endpoint: other sites' pages change nothing, visitors have limits, headers."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, current_app, g, request

from headway.state import state
from headway.web.requests.bodies import bound_body, check_body
from headway.web.requests.cors import share
from headway.web.requests.errors import APIError
from headway.web.requests.forms import read_strictly
from headway.web.requests.headers import security_headers
from headway.web.requests.language import remember
from headway.web.requests.limiting import KINDS, count_request, request_has_ended
from headway.web.requests.origins import is_cross_site

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CORP = "Cross-Origin-Resource-Policy"


def guard(of: Blueprint, counted: Mapping[str, str] | None = None) -> None:
    """Guard all requests of a blueprint as Headway's own are.

    Another site's page changes nothing, no body is larger than HEADWAY_MAX_BODY_BYTES (views that
    take files set a limit of their own), a body or form that cannot be read is refused,
    answers have the security headers, and the language that a page's address chooses is remembered.
    `counted` says of views by name what they count as for the visitor's limits: "reads", "lists" or
    "changes".
    """
    KINDS.update({f"{of.name}.{view}": kind for view, kind in (counted or {}).items()})
    of.before_request(bound_body)
    of.before_request(check_body)
    of.before_request(read_strictly)
    of.before_request(refuse_other_sites)
    of.before_request(count_request)
    of.teardown_request(request_has_ended)
    of.after_request(add_headers)
    of.after_request(remember)


def refuse_other_sites() -> None:
    """Refuse a change that another site's page asks for. Raises APIError (403)."""
    if request.method in UNSAFE and is_cross_site(request.environ, state().allowed_origins):
        raise APIError(403, "cross_site", "This request comes from another site's page.")


def add_headers(response: Response) -> Response:
    """Add the security headers and those of cross-origin sharing, once."""
    if CORP in response.headers:  # of an endpoint of ours, in an app that adds them to all answers
        return response
    # A visitor's cookie that is kept over https alone says that the whole site is.
    secure = request.is_secure and current_app.config["SESSION_COOKIE_SECURE"]
    frames = state().frame_ancestors
    response.headers.update(security_headers(g.get("csp_nonce"), frames, secure))
    if "token" in request.args:
        response.headers["Referrer-Policy"] = "no-referrer"  # which would carry the token
    share(response, state().allowed_origins)
    # What pages of other sites may read, as the bundle, they may load without asking, too.
    is_shared = "Access-Control-Allow-Origin" in response.headers
    response.headers[CORP] = "cross-origin" if is_shared else "same-origin"
    return response

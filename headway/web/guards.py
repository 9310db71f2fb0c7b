"""The rules that hold at every endpoint: no other site's page changes anything, and each answer
says what it may do.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from headway.state import state
from headway.web.access import UNSAFE, guards
from headway.web.cors import share
from headway.web.errors import Refused
from headway.web.origins import is_cross_site


def guard(of: Blueprint) -> None:
    """Put these rules to all requests of a blueprint."""
    of.before_request(refuse_other_sites)
    of.after_request(add_headers)


def refuse_other_sites() -> None:
    """Refuse what a page of another site asks to change. Raises Refused (403)."""
    if request.method in UNSAFE and is_cross_site(request.environ, state().allowed_origins):
        raise Refused(403, "cross_site", "This request comes from another site's page.")


def add_headers(response: Response) -> Response:
    """Add the headers that guard an answer, and those that share it."""
    response.headers.update(guards(g.get("csp_nonce")))
    share(response, state().allowed_origins)
    return response

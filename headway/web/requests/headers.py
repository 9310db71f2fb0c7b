"""Headers of responses: those that secure them, and hints for the authors of clients."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from flask import Response, after_this_request, g

from headway.web.requests.origins import Origin

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

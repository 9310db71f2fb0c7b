"""Gives a whole app what Headway's own endpoints have: headers, error answers, cookies, proxies."""

from __future__ import annotations

from flask import Flask

from headway.web.requests.errors import handle_errors
from headway.web.requests.headers import nonce
from headway.web.requests.proxies import TrustedProxies
from headway.web.requests.security import add_headers
from headway.web.requests.sessions import Sessions


def protect(app: Flask, *, trusted_proxies: int = 0) -> None:
    """Answer all requests of an app as Headway's own endpoints do, also those that none takes.

    All answers have the security headers; a page's own scripts need `nonce="{{ csp_nonce() }}"`.
    Errors are JSON for programs and the template `error.html` for browsers, with `code`, `title`
    and `message`. The session's cookie is for the path that the app is mounted at, and bears
    `__Host-` where it can. So many `trusted_proxies` stand before the app: what they say of the
    client counts.

    Call it after `init_app`.
    """
    app.session_interface = Sessions()
    app.add_template_global(nonce, "csp_nonce")
    handle_errors(app)
    app.after_request(add_headers)
    if trusted_proxies:
        wrapped = TrustedProxies(app.wsgi_app, trusted_proxies)
        app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask wants it wrapped

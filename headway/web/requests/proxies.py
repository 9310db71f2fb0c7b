"""Applies what trusted proxies say of a request: its address, scheme, host, port and path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from headway.web.requests.origins import FORWARDED_PORT

# A path that cannot be read as a host, as "//example.com" could.
PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+;=:@-]+)+")

# Some proxies name a websocket's own scheme.
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TrustedProxies(ProxyFix):
    """WSGI middleware that trusts the `X-Forwarded-` headers of so many proxies (`hops`).

    It reads `-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`. `Forwarded` (RFC 7239) is not read:
    a proxy that knows only the others passes on what a client writes there.
    """

    def __init__(self, app: Wsgi, hops: int) -> None:
        super().__init__(app, x_for=hops, x_proto=0, x_host=hops)
        self._hops = hops

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if scheme := SCHEMES.get(self._trusted(environ, "HTTP_X_FORWARDED_PROTO").lower()):
            environ["wsgi.url_scheme"] = scheme
        # The host keeps its own port: a proxy in a container may name its port in there.
        if port := self._trusted(environ, "HTTP_X_FORWARDED_PORT"):
            environ[FORWARDED_PORT] = port
        prefix = self._trusted(environ, "HTTP_X_FORWARDED_PREFIX").rstrip("/")
        if PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix
        return super().__call__(environ, start_response)

    def _trusted(self, environ: dict[str, Any], header: str) -> str:
        return self._get_real_value(self._hops, environ.get(header)) or ""

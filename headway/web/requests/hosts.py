"""Refuses requests for hosts that are not this server's (DNS rebinding).

A foreign page can have its own name resolve to this machine: a browser then takes both for one
site, and only the name in `Host` says that they are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address
from typing import Any

from headway.early_responses import EARLY_HEADERS
from headway.exceptions import ConfigError
from headway.web.requests.origins import parse_origin

ANY = "*"
LOOPBACK = ("localhost", ".localhost")
NAME = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
REFUSAL = (
    b'{"error":{"code":"untrusted_host","message":"This server does not go by that name: '
    b'TRUSTED_HOSTS lists those that it goes by."}}\n'
)
HEADERS = [
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(REFUSAL))),
    *EARLY_HEADERS,
]

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TrustedHosts:
    """WSGI middleware that refuses requests, and handshakes, for other hosts (400)."""

    def __init__(self, app: Wsgi, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if is_trusted(environ.get("HTTP_HOST"), self._hosts):
            return self._app(environ, start_response)
        start_response("400 Bad Request", HEADERS)
        return [REFUSAL]


def is_trusted(host: str | None, hosts: Collection[str]) -> bool:
    """Whether a request with this `Host` is for one of `hosts`; `.example.com` is any below it.

    An IP address is no name that somebody else could have, and only a program sends no Host.
    """
    if host is None:
        return True
    origin = parse_origin(f"http://{host}")
    if origin is None:
        return False
    name = origin.host
    if name in hosts or any(each.startswith(".") and name.endswith(each) for each in hosts):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def parse_hosts(setting: str, texts: str | Iterable[str]) -> frozenset[str]:
    """Return the hosts in a setting, a list or a text separated by spaces; `*`, any, as no host.

    Raises ConfigError.
    """
    hosts = [each.lower() for each in (texts.split() if isinstance(texts, str) else texts)]
    if ANY in hosts:
        return frozenset()
    for host in hosts:
        if not NAME.fullmatch(host):
            raise ConfigError(
                f"{setting} must hold names of hosts as example.com, or .example.com for all "
                f"below it, not {host!r}."
            )
    return frozenset(hosts)

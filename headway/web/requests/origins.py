"""Origins (RFC 6454): the site that a request comes from, and whether it is ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv6Address
from typing import Any, NamedTuple

from headway.exceptions import ConfigError

DEFAULT_PORTS = {"http": 80, "https": 443}
# In an environ: the port at which a trusted proxy received the request.
FORWARDED_PORT = "headway.forwarded_port"

ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\*;,'\"]+)(?::(\d{0,5}))?", re.IGNORECASE
)


class Origin(NamedTuple):
    """An origin in canonical form, so that two can be compared."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        port = "" if self.port == DEFAULT_PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def parse_origin(text: str) -> Origin | None:
    """Return the origin that a text names; None for any other text, such as `null`.

    The case of letters, a default port, a dot at the end of a name, and the spelling of an IPv6
    address or of a name with non-ASCII letters make no difference.
    """
    found = ORIGIN.fullmatch(text)
    if found is None:
        return None
    scheme = found[1].lower()
    try:
        host = _canonical(found[2])
    except ValueError:  # UnicodeError is one, too
        return None
    port = int(found[3]) if found[3] else DEFAULT_PORTS.get(scheme, 0)
    return Origin(scheme, host, port) if host and port < 65536 else None


def parse_origins(setting: str, texts: str | Iterable[str]) -> frozenset[Origin]:
    """Return the origins in a setting, a list or a text separated by spaces.

    Raises ConfigError.
    """
    origins = set()
    for text in texts.split() if isinstance(texts, str) else texts:
        origin = parse_origin(text.removesuffix("/"))
        if origin is None:
            raise ConfigError(
                f"{setting} must hold origins as https://example.com or "
                f"https://example.com:8443, not {text!r}."
            )
        origins.add(origin)
    return frozenset(origins)


def is_cross_site(environ: dict[str, Any], allowed: Collection[Origin]) -> bool:
    """Whether a browser sent this request for another site's page.

    `allowed` origins count as our own. Decided by Sec-Fetch-Site, else by comparing Origin with
    the host. A client that sends neither header is not a browser.
    """
    header = _text(environ, "HTTP_ORIGIN")
    origin = parse_origin(header) if header is not None else None
    if origin in allowed:
        return False
    fetch_site = _text(environ, "HTTP_SEC_FETCH_SITE")
    if fetch_site is not None:
        return fetch_site not in ("same-origin", "none")
    return header is not None and (origin is None or origin not in _own(environ))


def _own(environ: dict[str, Any]) -> Iterator[Origin]:
    """Yield the origins of a page that this request's host may have served."""
    host = _text(environ, "HTTP_HOST")
    if host is None:
        host = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"  # an HTTP/1.0 request
    own = parse_origin(f"{environ['wsgi.url_scheme']}://{host}")
    if own is None:
        return
    yield own
    port = environ.get(FORWARDED_PORT, "")
    if not host.rpartition("]")[2].partition(":")[2] and port.isascii() and port.isdigit():
        yield own._replace(port=int(port))


def _text(environ: dict[str, Any], name: str) -> str | None:
    """Return a header as text: WSGI gives its bytes, each as a character."""
    value = environ.get(name)
    return (
        None
        if value is None
        else str(value).strip().encode("latin-1", "replace").decode("utf-8", "replace")
    )


def _canonical(host: str) -> str:
    """Return a host in its canonical form. Raises ValueError."""
    if host.startswith("["):
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    host = host.lower().removesuffix(".")
    return host if host.isascii() else host.encode("idna").decode()

"""Normalizes Redis URLs into a form that every library reads alike.

redis-py, kombu and Celery each have rules of their own for a URL: for the database number, for TLS
options and their values, for what is missing. kombu verifies no certificate unless told to;
Celery refuses a URL that does not say.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from os.path import isdir
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.url import parse_url

from headway.exceptions import ConfigError
from headway.store.checks import LOCAL

DEFAULT_PORT = 6379
CERT_REQS = ("required", "optional", "none")
FLAGS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}
FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
TLS_OPTIONS = ("ssl_cert_reqs", "ssl_check_hostname", *FILES)
HOST = re.compile(r"[\w.-]+\Z")
UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")
ENCODE = (
    "In a user name or password, write reserved characters as their codes, such as %40 for "
    "@, %2F for /, %3A for :, "
    "%23 for # and %3F for ?"
)


class BadURL(ValueError):
    """A URL that cannot be used.

    The message follows the setting's name, and holds none of the URL's secrets.
    """


def normalize(url: str) -> str:
    """Return a Redis URL in the form that redis-py, kombu and Celery read alike.

    Certificates are verified by default.

    Raises BadURL.
    """
    url = url.strip()
    scheme = url.partition("://")[0].lower()
    if scheme not in ("redis", "rediss"):
        raise BadURL(
            "must begin with redis:// or rediss:// (also for Valkey); Unix sockets are not "
            "supported."
        )
    parts = _split(url)
    options = _options(parts.query)
    database = _database(parts.path, options.pop("db", ""))
    tls = _tls(options, scheme)
    address = f"{_host(parts)}:{_port(parts) or DEFAULT_PORT}"
    query = f"?{urlencode(tls, quote_via=quote)}" if tls else ""
    return f"{scheme}://{_user(parts)}{address}/{database}{query}"


def normalize_broker(url: str) -> str:
    """Return a broker's URL, or several separated by ";", with those of Redis normalized.

    Raises BadURL.
    """
    return ";".join(_normalize_broker(one) for one in url.strip().split(";"))


def parse_redis_url(setting: str, url: str) -> str:
    """Return a setting's Redis URL in the form that all libraries read alike; "" for none.

    Certificates are verified by default. Raises ConfigError, without a secret of the URL.
    """
    return _parse(setting, url, normalize)


def parse_broker_url(setting: str, url: str) -> str:
    """Return a setting's broker URL, or several separated by ";", likewise. Raises ConfigError."""
    return _parse(setting, url, normalize_broker)


def _parse(setting: str, url: str, normal: Callable[[str], str]) -> str:
    try:
        return url and normal(url)
    except BadURL as error:
        raise ConfigError(f"{setting} {error}") from None


def is_same_database(url: str, other: str) -> bool:
    """Whether two URLs name one database of one Redis, whatever their users.

    All names of this machine count as one. A URL that kombu cannot parse names none.
    """
    try:
        return _place_of(url) == _place_of(other)
    except (TypeError, ValueError):
        return False


def _place_of(url: str) -> tuple[str, str, int, str]:
    parts = parse_url(url)
    host = parts["hostname"] or "localhost"
    number = parts["virtual_host"] or "0"
    return (
        parts["transport"],
        "localhost" if host in LOCAL else host,
        parts["port"] or DEFAULT_PORT,
        number,
    )


def _normalize_broker(url: str) -> str:
    scheme = url.strip().partition("://")[0]
    if scheme.lower() in ("redis", "rediss"):
        return normalize(url)
    if "://" not in url or scheme not in TRANSPORT_ALIASES:
        raise BadURL(
            "must begin with redis://, rediss:// or the name of another broker that Celery "
            "knows, as amqp://."
        )
    _port(_split(url))
    return url


def _split(url: str) -> SplitResult:
    if UNPRINTABLE.search(url):
        raise BadURL("must not hold spaces or line ends; write a space as %20.")
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may hold the password
        raise BadURL(f"cannot be read as a URL. {ENCODE}.") from None
    if parts.fragment:
        raise BadURL(f"must not hold a #. {ENCODE}.")
    return parts


def _port(parts: SplitResult) -> int | None:
    address = parts.netloc.rpartition("@")[2]
    if address.count(":") > 1 and "[" not in address:
        raise BadURL(f"must have an IPv6 address in brackets, as redis://[::1]:6379/0. {ENCODE}.")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise BadURL(f"must have a port from 1 to 65535 after its host. {ENCODE}.")
    return port


def _host(parts: SplitResult) -> str:
    host = unquote(parts.hostname or "localhost")
    if ":" in host:
        return f"[{host}]"
    if not HOST.match(host):
        raise BadURL(f"must name one host. {ENCODE}.")
    return host


def _user(parts: SplitResult) -> str:
    name = unquote(parts.username or "")
    password = unquote(parts.password or "")
    if not name and not password:
        return ""
    return quote(name, safe="") + (f":{quote(password, safe='')}" if password else "") + "@"


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in ("db", *TLS_OPTIONS):
            raise BadURL(f"has an unknown option. Known: db, {', '.join(TLS_OPTIONS)}.")
        if name in options or not value:
            raise BadURL(f"must give {name} one value.")
        options[name] = value
    return options


def _database(path: str, option: str) -> int:
    numbers = {text for text in (unquote(path).strip("/"), option) if text}
    if len(numbers) > 1:
        raise BadURL("names two databases, one after the host and one as db.")
    number = next(iter(numbers), "0")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise BadURL(f"must end with a database's number, as redis://localhost:6379/0. {ENCODE}.")
    return int(number)


def _tls(options: Mapping[str, str], scheme: str) -> dict[str, str]:
    """Return the TLS options, with the values that all libraries accept."""
    if scheme == "redis":
        if options:
            raise BadURL(f"must begin with rediss:// where it has {', '.join(options)}.")
        return {}
    tls = {**options, "ssl_cert_reqs": _cert_reqs(options.get("ssl_cert_reqs", "required"))}
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = _flag("ssl_check_hostname", tls["ssl_check_hostname"])
    _check_files(tls)
    return dict(sorted(tls.items()))


def _cert_reqs(word: str) -> str:
    word = word.lower().removeprefix("cert_")
    if word not in CERT_REQS:
        raise BadURL(f"must give ssl_cert_reqs as one of {', '.join(CERT_REQS)}.")
    return word


def _flag(name: str, word: str) -> str:
    if word.lower() not in FLAGS:
        raise BadURL(f"must give {name} as true or false.")
    return FLAGS[word.lower()]


def _check_files(tls: Mapping[str, str]) -> None:
    """Check the certificate and key files.

    redis-py reads them only at the first connection, and its errors do not name them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities, folder, certificate, key = map(tls.get, FILES)
    if folder and not isdir(folder):
        raise BadURL("names a folder as ssl_ca_path that is not there.")
    if key and not certificate:
        raise BadURL("must have ssl_certfile where it has ssl_keyfile.")
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except OSError as error:  # also for what is no PEM
        raise BadURL(
            f"names a file as ssl_ca_certs that cannot be used: {error.strerror}."
        ) from None
    try:
        if certificate:
            context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        why = f"{error.strerror}; a key must not be encrypted"
        raise BadURL(
            f"names files as ssl_certfile and ssl_keyfile that cannot be used: {why}."
        ) from None

"""Requests and websockets of other sites' pages: one rule for both endpoints, whatever stands
before the server.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import config, create_app
from headway.exceptions import ConfigError
from headway.web.requests.origins import Origin, parse_origin

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    # The key is none: a handshake that passes is refused for it, before it needs a connection.
    "Sec-WebSocket-Key": "none",
}

SAME = [
    ("http://tasks.example", {"Host": "tasks.example"}),
    ("http://tasks.example", {"Host": "tasks.example:80"}),
    ("http://tasks.example:80", {"Host": "tasks.example"}),
    ("http://TASKS.example", {"Host": "tasks.EXAMPLE"}),
    ("http://tasks.example.", {"Host": "tasks.example"}),
    ("http://tasks.example", {"Host": "tasks.example.:80"}),
    ("http://tasks.example:5000", {"Host": "tasks.example:5000"}),
    ("http://127.0.0.1:5000", {"Host": "127.0.0.1:5000"}),
    ("http://[::1]:5000", {"Host": "[::1]:5000"}),
    ("http://[::1]", {"Host": "[0:0:0:0:0:0:0:1]:80"}),
    ("http://[2001:DB8::1]", {"Host": "[2001:db8:0::1]"}),
    ("http://xn--mnchen-3ya.example", {"Host": "xn--mnchen-3ya.example"}),
    ("http://xn--mnchen-3ya.example", {"Host": "münchen.example"}),
    ("https://partner.example", {"Host": "tasks.example", "Sec-Fetch-Site": "cross-site"}),
    ("https://Partner.example:443", {"Host": "tasks.example"}),
    ("https://other.example:8443", {"Host": "tasks.example"}),
    (None, {"Host": "tasks.example"}),
    (None, {"Host": "tasks.example", "Sec-Fetch-Site": "same-origin"}),
    (None, {"Host": "tasks.example", "Sec-Fetch-Site": "none"}),
    ("null", {"Host": "tasks.example", "Sec-Fetch-Site": "same-origin"}),
    ("https://tasks.example", {"Host": "inner:5000", "Sec-Fetch-Site": "same-origin"}),
]
OTHER = [
    ("http://tasks.example:81", {"Host": "tasks.example"}),
    ("http://tasks.example", {"Host": "tasks.example:443"}),
    ("https://tasks.example", {"Host": "tasks.example"}),
    ("https://tasks.example", {"Host": "tasks.example:443"}),
    ("http://other.tasks.example", {"Host": "tasks.example"}),
    ("http://tasks.example.evil.example", {"Host": "tasks.example"}),
    ("http://eviltasks.example", {"Host": "tasks.example"}),
    ("http://tasks.example@evil.example", {"Host": "tasks.example"}),
    ("http://evil.example/http://tasks.example", {"Host": "tasks.example"}),
    ("http://tasks.example..", {"Host": "tasks.example"}),
    ("http://[::2]", {"Host": "[::1]"}),
    ("http://[::1", {"Host": "[::1]"}),
    ("http://xn--mnchen-3ya.example", {"Host": "munchen.example"}),
    ("null", {"Host": "tasks.example"}),
    ("null", {"Host": "null"}),
    ("", {"Host": "tasks.example"}),
    ("file://", {"Host": "tasks.example"}),
    ("tasks.example", {"Host": "tasks.example"}),
    ("http://tasks.example", {"Host": ""}),
    ("https://partner.example:8443", {"Host": "tasks.example"}),
    (None, {"Host": "tasks.example", "Sec-Fetch-Site": "cross-site"}),
    (None, {"Host": "tasks.example", "Sec-Fetch-Site": "same-site"}),
    ("http://tasks.example", {"Host": "tasks.example", "Sec-Fetch-Site": "cross-site"}),
    # Nobody is trusted to say where the request came to.
    ("https://tasks.example", {"Host": "tasks.example", "X-Forwarded-Proto": "https"}),
    ("http://evil.example", {"Host": "tasks.example", "X-Forwarded-Host": "evil.example"}),
    ("http://tasks.example:81", {"Host": "tasks.example", "X-Forwarded-Port": "81"}),
    ("http://evil.example", {"Host": "tasks.example", "Forwarded": "host=evil.example"}),
]
SAME_BEHIND_ONE = [
    ("https://tasks.example", {"Host": "tasks.example", "X-Forwarded-Proto": "https"}),
    ("https://tasks.example", {"Host": "tasks.example:443", "X-Forwarded-Proto": "https"}),
    ("https://tasks.example:443", {"Host": "tasks.example", "X-Forwarded-Proto": "HTTPS"}),
    ("https://tasks.example", {"Host": "tasks.example", "X-Forwarded-Proto": "wss"}),
    ("http://tasks.example", {"Host": "tasks.example", "X-Forwarded-Proto": "ws"}),
    (
        "https://tasks.example",
        {"Host": "in:80", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "tasks.example:443"},
    ),
    ("http://tasks.example:8080", {"Host": "in", "X-Forwarded-Host": "tasks.example:8080"}),
    (
        "http://tasks.example:8080",
        {"Host": "in", "X-Forwarded-Host": "evil.example, tasks.example:8080"},
    ),
    ("http://tasks.example:8080", {"Host": "tasks.example", "X-Forwarded-Port": "8080"}),
    ("http://[::1]:8080", {"Host": "[::1]", "X-Forwarded-Port": "8080"}),
    ("http://tasks.example:8080", {"Host": "tasks.example:8080", "X-Forwarded-Port": "80"}),
    (
        "https://tasks.example",
        {"Host": "tasks.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"},
    ),
]
OTHER_BEHIND_ONE = [
    ("http://tasks.example", {"Host": "tasks.example", "X-Forwarded-Proto": "https"}),
    ("http://evil.example", {"Host": "in", "X-Forwarded-Host": "evil.example, tasks.example"}),
    ("http://evil.example", {"Host": "tasks.example", "Forwarded": "host=evil.example"}),
    ("http://tasks.example:81", {"Host": "tasks.example:82", "X-Forwarded-Port": "81"}),
    ("http://tasks.example:81", {"Host": "tasks.example", "X-Forwarded-Port": "many"}),
    ("null", {"Host": "tasks.example", "X-Forwarded-Host": "null"}),
    (None, {"Host": "tasks.example", "X-Forwarded-Proto": "https", "Sec-Fetch-Site": "cross-site"}),
]


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    """Apps by how many proxies they trust; of Redis they need nothing here."""
    env = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "a secret for the tests",
        "ALLOWED_ORIGINS": "https://partner.example HTTPS://other.example:8443/",
        "TRUSTED_HOSTS": "*",
    }
    return {hops: create_app(env | {"TRUSTED_PROXIES": str(hops)}) for hops in (0, 1)}


def ask(app: Any, method: str, path: str, headers: dict[str, str]) -> int:
    builder = EnvironBuilder(path=path, method=method, headers=None)
    environ = builder.get_environ()
    builder.close()
    # as the server gives it
    environ["eventlet.input"] = Mock(**{"get_socket.return_value.fileno.return_value": 3})
    for name, value in headers.items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value.encode().decode("latin-1")
    _, status, _ = run_wsgi_app(app.wsgi_app, environ)
    return int(status.split()[0])


def passes(app: Any, origin: str | None, headers: dict[str, str]) -> tuple[bool, bool]:
    """Whether a POST and a websocket's handshake get past the rule, to what they are refused
    for otherwise.
    """
    headers = headers if origin is None else headers | {"Origin": origin}
    posted = ask(app, "POST", "/tasks", headers)
    opened = ask(app, "GET", "/socket.io/?EIO=4&transport=websocket", headers | HANDSHAKE)
    assert posted in (403, 415)
    assert opened in (403, 400)
    return posted == 415, opened == 400


@pytest.mark.parametrize(("origin", "headers"), SAME)
@pytest.mark.parametrize("hops", [0, 1])
def test_both_doors_take_what_is_our_own(
    endpoints: dict[int, Any], hops: int, origin: str | None, headers: dict[str, str]
):
    assert passes(endpoints[hops], origin, headers) == (True, True)


@pytest.mark.parametrize(("origin", "headers"), OTHER)
def test_both_doors_refuse_what_is_not(
    endpoints: dict[int, Any], origin: str | None, headers: dict[str, str]
):
    assert passes(endpoints[0], origin, headers) == (False, False)


@pytest.mark.parametrize(("origin", "headers"), SAME_BEHIND_ONE)
def test_behind_a_proxy_both_take_it(
    endpoints: dict[int, Any], origin: str, headers: dict[str, str]
):
    assert passes(endpoints[1], origin, headers) == (True, True)


@pytest.mark.parametrize(("origin", "headers"), OTHER_BEHIND_ONE)
def test_behind_a_proxy_both_refuse_it(
    endpoints: dict[int, Any], origin: str | None, headers: dict[str, str]
):
    assert passes(endpoints[1], origin, headers) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "*",
        "example.com",
        "//example.com",
        "https://",
        "https://a b",
        "https://a:99999",
        "https://[",
    ],
)
def test_what_is_no_origin(text: str):
    assert parse_origin(text) is None


def test_an_origin_of_a_scheme_of_its_own_has_no_port():
    assert parse_origin("capacitor://localhost") == Origin("capacitor", "localhost", 0)


@pytest.mark.parametrize(
    "text", ["*", "null", "example.com", "https://example.com/page", "https://ok.example *"]
)
def test_an_allowed_origin_that_is_none_is_refused_at_start(tmp_path: Any, text: str):
    settings = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATA_DIR": str(tmp_path),
        "ALLOWED_ORIGINS": text,
    }

    with pytest.raises(ConfigError, match="ALLOWED_ORIGINS"):
        config.load(settings)

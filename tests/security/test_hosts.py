"""DNS rebinding and forged hosts: a name that is not this server's gets in by no endpoint."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app import config, create_app
from headway.early_responses import EARLY_HEADERS
from headway.exceptions import ConfigError
from headway.web.requests.proxies import TrustedProxies
from tests.documents import page
from tests.test_origins import HANDSHAKE, ask

OWN = ["localhost", "LOCALHOST.:5000", "app.localhost:5000", "127.0.0.1:5000", "[::1]:5000"]
OWN += ["192.168.1.7:5000", "[fe80::1]"]
FOREIGN = ["evil.example", "evil.example:5000", "localhost.evil.example", "evillocalhost"]
FOREIGN += ["127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "null", "a b", "[::1"]
FORWARDED = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
ENDPOINTS = [
    ("GET", "/", {}),
    ("GET", "/healthz", {}),
    ("GET", "/inbox.json", {}),
    ("GET", "/tasks", {}),
    ("GET", "/status/1", {}),
    ("POST", "/longtask", {}),
    ("POST", "/tasks/1/cancel", {}),
    ("GET", "/static/js/list.js", {}),
    ("GET", "/no/such/page", {}),
    ("GET", "/socket.io/?EIO=4&transport=websocket", HANDSHAKE),
]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of apps that need no Redis here."""
    return {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
    }


@pytest.fixture(scope="module")
def app(env: dict[str, str]) -> Any:
    return create_app(env)


def opens(app: Any, host: str, **more: str) -> bool:
    """Whether a request for this host gets in."""
    return ask(app, "GET", "/healthz", {"Host": host, **more}) == 200


@pytest.mark.parametrize("host", OWN)
def test_in_development_this_machine_is_its_own_host(app: Any, host: str):
    assert opens(app, host)


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize(("method", "path", "headers"), ENDPOINTS, ids=lambda each: str(each)[:24])
def test_another_name_gets_in_nowhere(
    app: Any, method: str, path: str, headers: dict[str, str], host: str
):
    same = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}

    assert ask(app, method, path, headers | same) == 400


def test_the_refusal_can_be_neither_run_nor_framed(app: Any):
    answer = app.test_client().get("/", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert set(EARLY_HEADERS) <= set(answer.headers.items())


def test_what_nobody_is_trusted_to_forward_makes_no_difference(app: Any):
    for name, value in FORWARDED.items():
        assert ask(app, "GET", "/healthz", {"Host": "localhost", name: value}) == 200
    own = {"X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
    for name, value in own.items():
        assert ask(app, "GET", "/healthz", {"Host": "evil.example", name: value}) == 400


def test_behind_a_proxy_its_host_counts(env: dict[str, str]):
    app = create_app(env | {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": "tasks.example"})

    def status(host: str, forwarded: str) -> int:
        return ask(app, "GET", "/healthz", {"Host": host, "X-Forwarded-Host": forwarded})

    assert status("inner:5000", "tasks.example") == 200
    assert status("tasks.example", "evil.example") == 400
    assert status("tasks.example", "tasks.example, evil.example") == 400


def test_behind_the_documented_proxy_no_client_says_what_a_proxy_does():
    """nginx passes on each header of a client's that it does not set itself."""
    [conf] = re.findall("```nginx\n(.*?)```", page("docs/serve.md"), re.DOTALL)
    set_by_nginx = set(re.findall(r"proxy_set_header (\S+) ", conf))
    read: set[str] = set()

    class Environ(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    TrustedProxies(lambda *_: [], 1)(Environ(), lambda *_: None)

    forwarded = {name.removeprefix("HTTP_") for name in read if "FORWARDED" in name}
    believed = ("FOR", "PROTO", "HOST", "PORT", "PREFIX")
    assert forwarded == {f"X_FORWARDED_{each}" for each in believed}
    assert forwarded <= {name.upper().replace("-", "_") for name in set_by_nginx}


def test_production_without_tls_goes_by_no_name_that_it_does_not_know(env: dict[str, str]):
    plain = env | {"APP_ENV": "production", "MAIL_SERVER": "mail.example", "ALLOW_PLAIN_HTTP": "1"}
    unnamed = create_app(plain)

    assert not opens(unnamed, "evil.example")
    assert opens(unnamed, "192.0.2.1:5000")
    assert opens(create_app(plain | {"TRUSTED_HOSTS": "tasks.lan"}), "tasks.lan")
    assert opens(create_app(plain | {"TRUSTED_HOSTS": "*"}), "tasks.lan")


def test_production_over_tls_goes_by_the_names_that_it_is_given(env: dict[str, str]):
    more = {"APP_ENV": "production", "MAIL_SERVER": "mail.example"}
    named = create_app(env | more | {"TRUSTED_HOSTS": "tasks.example .tasks.example"})

    assert opens(named, "tasks.example")
    assert opens(named, "www.tasks.example:8443")
    assert not opens(named, "eviltasks.example")
    assert not opens(named, "localhost")
    assert not opens(create_app(env | more), "evil.example")
    assert opens(create_app(env | more | {"TRUSTED_HOSTS": "*"}), "any.example")


@pytest.mark.parametrize("text", ["https://tasks.example", "tasks.example:80", "a/b", "..", "*.a"])
def test_a_host_that_is_none_is_refused_at_start(env: dict[str, str], text: str):
    with pytest.raises(ConfigError, match="TRUSTED_HOSTS must hold names"):
        config.load(env | {"TRUSTED_HOSTS": text})

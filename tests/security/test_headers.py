"""The headers that keep a page's own window, frames and files to itself."""

from __future__ import annotations

from typing import Any

import pytest

from app import create_app
from headway.exceptions import ConfigError
from tests.security.test_every_endpoint import path_of, rules

PRODUCTION = {
    "APP_ENV": "production",
    "MAIL_SERVER": "mail.example",
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
}


def ancestors(policy: str) -> str:
    """Return the sites that a Content-Security-Policy lets frame its page."""
    return policy.partition("frame-ancestors ")[2].partition(";")[0]


def test_each_route_keeps_its_window_and_its_answers_to_its_own_origin(app: Any):
    client = app.test_client()
    for method, rule in rules(app):
        if rule == "/readyz":  # waits for what this process does not hear
            continue
        response = client.open(path_of(rule), method=method)
        headers = response.headers
        is_public = headers.get("Access-Control-Allow-Origin") == "*"
        own = "cross-origin" if is_public else "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", rule
        assert headers["Cross-Origin-Resource-Policy"] == own, rule
        assert "camera=()" in headers["Permissions-Policy"], rule
        assert "Strict-Transport-Security" not in headers, rule
        response.close()


@pytest.mark.parametrize(
    ("settings", "address", "kept"),
    [
        (PRODUCTION, "https://localhost", True),
        (PRODUCTION, "http://localhost", False),
        ({}, "https://localhost", False),
    ],
    ids=["production", "plain http", "development"],
)
def test_https_is_remembered_where_the_cookie_is_secure(
    env: dict[str, str], settings: dict[str, str], address: str, kept: bool
):
    client = create_app({**env, **settings}).test_client()

    for path in ("/", "/nowhere"):
        headers = client.get(path, base_url=address).headers
        assert ("Strict-Transport-Security" in headers) is kept


def test_only_named_sites_frame_a_page(env: dict[str, str]):
    sites = "https://Portal.example/ http://localhost:8000"
    app = create_app({**env, "FRAME_ANCESTORS": sites})

    policy = app.test_client().get("/").headers["Content-Security-Policy"]

    assert ancestors(policy) == "'self' http://localhost:8000 https://portal.example"


@pytest.mark.parametrize("text", ["*", "https:", "example.com", "https://a.example;script-src*"])
def test_a_site_that_is_none_is_refused(env: dict[str, str], text: str):
    with pytest.raises(ConfigError, match="FRAME_ANCESTORS"):
        create_app({**env, "FRAME_ANCESTORS": text})


# Cross-origin resource sharing

PARTNER = "https://partner.example"
OTHERS = ["null", "", "*", "https://evil.example", "https://partner.example.evil.example"]
OTHERS += ["http://partner.example", "https://partner.example:8443", "https://sub.partner.example"]
OTHERS += ["https://partner.example@evil.example", "https://partner.example,https://evil.example"]


@pytest.mark.parametrize("settings", [{}, {"ALLOWED_ORIGINS": PARTNER}], ids=["none", "a partner"])
def test_cors_never_gives_credentials_to_everybody_nor_its_name_to_a_stranger(
    env: dict[str, str], settings: dict[str, str]
):
    app = create_app({**env, **settings})
    client = app.test_client()
    for method, rule in rules(app):
        if rule == "/readyz":
            continue
        for origin in (*OTHERS, PARTNER):
            asked = {"Origin": origin}
            preflight = {**asked, "Access-Control-Request-Method": method}
            for way, headers in ((method, asked), ("OPTIONS", preflight)):
                response = client.open(path_of(rule), method=way, headers=headers)
                given = shared_with(response)
                is_partner = bool(settings) and origin == PARTNER
                allowed = given.get("Access-Control-Allow-Origin")
                assert allowed in ((PARTNER,) if is_partner else (None, "*")), (rule, origin)
                if allowed != PARTNER:
                    assert "Access-Control-Allow-Credentials" not in given, (rule, origin)
                if allowed == "*":
                    assert rule.startswith("/assets/"), rule
                response.close()


@pytest.mark.parametrize("text", ["*", "null", "https://*", "https://*.example.com", "https:"])
def test_everybody_is_no_allowed_origin(env: dict[str, str], text: str):
    with pytest.raises(ConfigError, match="ALLOWED_ORIGINS"):
        create_app({**env, "ALLOWED_ORIGINS": text})


def shared_with(response: Any) -> dict[str, str]:
    """Return what an answer says of cross-origin sharing."""
    return {name: value for name, value in response.headers if name.startswith("Access-Control")}

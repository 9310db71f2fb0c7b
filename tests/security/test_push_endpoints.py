"""Web Push: whom a browser may name as its push service, and who may ask."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient

from headway import ConfigError, Headway
from headway.webpush import delivery
from headway.webpush.delivery import NotPublic, is_public, post
from headway.webpush.settings import push_key
from tests.push_service import FakeBrowser

ENDPOINTS = [
    "http://push.example.com/a",
    "https://push.example.com:8443/a",
    "https://user@push.example.com/a",
    "https://localhost/a",
    "https://127.0.0.1/a",
    "https://2130706433/a",
    "https://0x7f.1/a",
    "https://[::1]/a",
    "https://push.example.com",
    "https://push.example.com/a b",
    "https://push.example.com/a\r\nHost: x",
    "https://push.example.com\\@10.0.0.1/a",
    "https://bücher.example/a",
    "https://push.example.com/" + "a" * 2048,
    f"https://{'a' * 64}.example.com/a",
    "file:///etc/passwd",
    "",
    None,
    7,
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_only_https_of_a_named_host_is_taken(client: FlaskClient, endpoint: Any):
    client.get("/")

    answer = client.post("/push", json={**FakeBrowser().said, "endpoint": endpoint})

    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (400, ["endpoint"])


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        (None, "p256dh"),
        ([], "p256dh"),
        ({"p256dh": "A" * 87, "auth": "A" * 22}, "p256dh"),  # no point of the curve
        ({"p256dh": "*", "auth": "A" * 22}, "p256dh"),
        ({"p256dh": "é" * 87, "auth": "A" * 22}, "p256dh"),
        ({"p256dh": "A" * 100_000, "auth": "A" * 22}, None),
        ({"p256dh": FakeBrowser().said["keys"]["p256dh"], "auth": "A" * 23}, "auth"),
        ({"p256dh": FakeBrowser().said["keys"]["p256dh"], "auth": 1}, "auth"),
    ],
)
def test_only_whole_keys_are_taken(client: FlaskClient, keys: Any, field: str | None):
    client.get("/")

    answer = client.post("/push", json={**FakeBrowser().said, "keys": keys})

    fields = answer.get_json()["error"].get("fields", {})
    assert (answer.status_code, [*fields]) == ((400, [field]) if field else (413, []))


def test_another_sites_page_can_neither_subscribe_nor_unsubscribe(client: FlaskClient):
    client.get("/")
    browser = FakeBrowser()
    foreign = {"Sec-Fetch-Site": "cross-site"}
    endpoint = {"endpoint": browser.subscription.endpoint}

    refused = [
        client.post("/push", json=browser.said, headers=foreign).status_code,
        client.delete("/push", json=endpoint, headers=foreign).status_code,
    ]

    assert refused == [403, 403]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::10.0.0.1",
        "fec0::1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:a00:1::",
    ],
)
def test_no_other_address_than_a_public_one_is_connected_to(
    address: str, monkeypatch: pytest.MonkeyPatch
):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443)),
        (family, socket.SOCK_STREAM, 6, "", (address, 443)),
    ]
    monkeypatch.setattr(delivery.socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(delivery.socket, "create_connection", None)

    with pytest.raises(NotPublic):
        post("https://push.example.com/a", {}, b"")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses_are(address: str):
    assert is_public(address)


def test_the_key_is_made_once_for_its_user_alone(tmp_path: Path):
    path = tmp_path / "keys" / "push_key"
    conf = {"headway_push_key": path}

    first = push_key(conf)
    path.chmod(0o644)  # as a copy to another machine may have it
    second = push_key(conf)

    assert first
    assert second
    assert first.public == second.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["push_key"]


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"headway_push_contact": "ada@example.com"}, "headway_push_contact"),
        ({"headway_push_key": "."}, "cannot be used"),
        ({"headway_push_key": __file__}, "holds no private key"),
    ],
)
def test_a_wrong_setting_is_said(tmp_path: Path, conf: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        push_key({"headway_push_key": tmp_path / "push_key", **conf})


def test_without_a_key_there_is_no_web_push_and_without_an_owner_no_browser(
    redis_url: str, tmp_path: Path
):
    answers = []
    for conf in ({}, {"headway_push_key": tmp_path / "push_key"}):
        app = Flask(__name__)
        app.secret_key = "a secret for the tests"
        celery = Celery("shop", backend=f"headway+{redis_url}", set_as_current=False)
        celery.conf.update(conf)
        headway = Headway()
        headway.owner_loader(lambda: None)
        headway.init_app(app, celery=celery)
        client = app.test_client()
        answers.append(client.get("/headway/push").get_json()["key"] is not None)
        answers.append(client.post("/headway/push", json=FakeBrowser().said).status_code)

    assert answers == [False, 404, True, 403]

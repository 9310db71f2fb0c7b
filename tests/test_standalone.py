"""Who sees what at `headway serve`, in the test's own process."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from flask.testing import FlaskClient

from headway import token
from headway.exceptions import ConfigError
from headway.standalone import create_app
from headway.store.records import Records
from tests.terminal import create

SECRET = "a secret for the tests"
ADAS = "7f3a1c52-ada"
BOBS = "7f3a1c52-bob"
NOBODYS = "7f3a1c52-nobody"


def celery_for(url: str, **settings: Any) -> Celery:
    celery = Celery("shop", broker=url, backend=f"headway+{url}", set_as_current=False)
    celery.conf.update({"headway_secret_key": SECRET, **settings})
    return celery


def client_for(url: str, proxies: int = 0, **settings: Any) -> FlaskClient:
    celery = celery_for(url, **settings)
    app = create_app(celery, url_prefix="/live", async_mode="threading", trusted_proxies=proxies)
    return app.test_client()


@pytest.fixture
def three_tasks(records: Records) -> None:
    for task_id, owner in ((ADAS, "ada"), (BOBS, "bob"), (NOBODYS, "")):
        create(records, task_id, owner)


def shown(**grant: Any) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {token(**grant, secret_key=SECRET)}"}}


def ids(answer: Any, key: str = "tasks") -> list[str]:
    return [one["task_id"] for one in answer.get_json()[key]]


def test_without_a_token_nobody_sees_anything(redis_url: str, three_tasks: None):
    client = client_for(redis_url)

    assert [
        client.get(f"/live/status/{task_id}").status_code for task_id in (ADAS, BOBS, NOBODYS)
    ] == [404] * 3
    many = client.get(f"/live/status?task_id={ADAS}&task_id={NOBODYS}").get_json()
    assert (many["snapshots"], many["missing"]) == ([], [ADAS, NOBODYS])
    assert ids(client.get("/live/tasks")) == []
    assert client.get("/live/tasks").headers.getlist("Set-Cookie") == []
    assert "Headway-Hint" not in client.get(f"/live/status/{ADAS}").headers  # of a cookie


def test_a_token_shows_what_it_names_and_nothing_else(redis_url: str, three_tasks: None):
    client = client_for(redis_url)

    assert ids(client.get("/live/tasks", **shown(owner="ada"))) == [ADAS]
    assert client.get(f"/live/status/{ADAS}", **shown(owner="ada")).status_code == 200
    assert client.get(f"/live/status/{BOBS}", **shown(owner="ada")).status_code == 404
    assert client.get(f"/live/status/{NOBODYS}", **shown(task_ids=NOBODYS)).status_code == 200


def test_a_token_that_may_write_cancels(redis_url: str, three_tasks: None):
    client = client_for(redis_url)

    assert client.post(f"/live/tasks/{ADAS}/cancel", **shown(owner="ada")).status_code == 403
    assert (
        client.post(f"/live/tasks/{ADAS}/cancel", **shown(owner="ada", read_only=False)).status_code
        == 202
    )


def test_nobody_starts_tasks_here(redis_url: str, records: Records):
    client = client_for(redis_url)

    for how in ({}, shown(owner="ada", read_only=False)):
        answer = client.post("/live/tasks", json={"name": "long_task"}, **how)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (
            403,
            "started_elsewhere",
        )
    forms = [client.get("/live/start"), client.post("/live/start/long_task")]
    for form in (*forms, client.post("/live/uploads"), client.get("/live/uploads/" + "0" * 32)):
        assert (form.status_code, form.get_json()["error"]["code"]) == (403, "started_elsewhere")
    assert list(records.queries.scan()) == []


FORMER = "the-former-secret-of-the-tests"


@pytest.mark.parametrize("former", [f"{FORMER}-2 {FORMER}", [f"{FORMER}-2", FORMER]])
def test_a_former_secret_is_taken(redis_url: str, three_tasks: None, former: Any):
    client = client_for(redis_url, headway_secret_key_fallbacks=former)

    for key, code in ((FORMER, 200), ("another secret", 404)):
        path = f"/live/status/{ADAS}?token={token(ADAS, secret_key=key)}"
        assert client.get(path).status_code == code


@pytest.mark.parametrize("where", ["settings", "environment"])
def test_other_origins_are_those_that_are_allowed(
    redis_url: str, where: str, monkeypatch: pytest.MonkeyPatch
):
    origins = "https://shop.example https://admin.example"
    settings = {"headway_allowed_origins": origins.split()} if where == "settings" else {}
    monkeypatch.setenv("HEADWAY_ALLOWED_ORIGINS", "" if settings else origins)
    client = client_for(redis_url, **settings)

    for origin, allowed in (
        ("https://admin.example", "https://admin.example"),
        ("https://evil.example", None),
    ):
        answer = client.get("/live/tasks", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_an_origin_that_is_none_is_refused(redis_url: str):
    with pytest.raises(ConfigError, match="HEADWAY_ALLOWED_ORIGINS must hold origins"):
        client_for(redis_url, headway_allowed_origins="shop.example")


@pytest.mark.parametrize(("proxies", "prefix"), [(1, "/shop"), (0, "")])
def test_below_a_path_its_addresses_are_below_it_too(
    redis_url: str, three_tasks: None, proxies: int, prefix: str
):
    client = client_for(redis_url, proxies)
    how = shown(owner="ada", read_only=False)
    how["headers"]["X-Forwarded-Prefix"] = "/shop"
    client.post(f"/live/tasks/{ADAS}/cancel", **how)

    again = client.post(f"/live/tasks/{ADAS}/retry", **how)

    assert again.headers["Location"] == f"{prefix}/live/status/{again.get_json()['task_id']}"


def test_what_lies_elsewhere_is_told_in_json(redis_url: str):
    answer = client_for(redis_url).get("/elsewhere", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_s_script_is_served(redis_url: str):
    with client_for(redis_url).get("/live/assets/headway.js") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/javascript")


@pytest.mark.parametrize(
    "secrets",
    [
        {"headway_secret_key": "changeme"},
        {"headway_secret_key": "short"},
        {"headway_secret_key": "a" * 64},
        {"headway_secret_key_fallbacks": f"{FORMER} former"},
    ],
)
def test_a_weak_secret_is_refused(redis_url: str, secrets: dict[str, str]):
    with pytest.raises(ConfigError, match=r"must hold random secrets of 16") as refused:
        client_for(redis_url, **secrets)

    assert not any(secret in str(refused.value) for secret in secrets.values())

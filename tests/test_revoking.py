"""Revoking tokens from Python: which ones, for how long it is kept, and what it costs."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient

from headway import ConfigError, Headway, revoke, token
from headway.revoking import revoke_from
from headway.store.model import Sent
from headway.store.records import Records
from headway.tokens import MAX_SECONDS, read_token
from tests.processes import ROOT

SECRET = "a secret for the tests"
MINE = "7f3a1c52-mine"
OTHER = "7f3a1c52-other"


@pytest.fixture(autouse=True)
def two_tasks(records: Records) -> None:
    for task_id in (MINE, OTHER):
        records.starts.enqueue(task_id, Sent("long_task", "", "ada", "celery", "+60000000", "", 4))


@pytest.fixture
def project(records: Records, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Celery:
    """A project's current Celery app, in a process without Flask."""
    celery = Celery("project", backend=f"headway+{redis_url}", set_as_current=False)
    monkeypatch.setattr("headway.revoking.current_app", celery)
    monkeypatch.setattr("headway.tokens.current_app", celery)
    monkeypatch.setenv("HEADWAY_SECRET_KEY", SECRET)
    return celery


def codes(client: FlaskClient, text: str) -> list[int]:
    headers = {"Authorization": f"Bearer {text}"}
    return [
        client.get(f"/status/{task_id}", headers=headers).status_code for task_id in (MINE, OTHER)
    ]


def id_of(text: str) -> str:
    grant = read_token(text, [SECRET])
    assert grant is not None
    return grant.token_id


def test_a_token_no_longer_opens_any_of_its_tasks(project: Celery, client: FlaskClient):
    text, stays = token([MINE, OTHER]), token([MINE, OTHER])

    revoke(text)

    assert (codes(client, text), codes(client, stays)) == ([404, 404], [200, 200])


def test_all_of_an_owner_are_revoked_and_neither_later_ones_nor_those_of_tasks(
    project: Celery, client: FlaskClient
):
    text, of_task, of_bob = token(owner="ada"), token(MINE), token(owner="bob")

    revoke(owner="ada")

    headers = {"Authorization": f"Bearer {text}"}
    assert codes(client, text) == [404, 404]
    assert client.get("/tasks", headers=headers).get_json()["tasks"] == []
    assert codes(client, token(owner="ada")) == [200, 200]
    assert codes(client, of_task) == [200, 404]
    assert codes(client, of_bob) == [404, 404]


def test_one_of_an_owner_is_revoked_by_its_id(project: Celery, client: FlaskClient):
    text, stays = token(owner="ada"), token(owner="ada")

    revoke(owner="ada", token_id=id_of(text))

    assert (codes(client, text), codes(client, stays)) == ([404, 404], [200, 200])


def test_a_token_signed_with_a_former_secret_is_revoked_too(
    project: Celery, client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
):
    former = token(MINE)
    monkeypatch.setenv("HEADWAY_SECRET_KEY", "new")
    monkeypatch.setenv("HEADWAY_SECRET_KEY_FALLBACKS", f"{SECRET}".replace(" ", "-"))
    app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[SECRET])
    assert codes(client, former)[0] == 200
    with pytest.raises(ValueError, match="another secret"):
        revoke(former)

    project.conf.headway_secret_key_fallbacks = [SECRET]
    revoke(former)

    assert codes(client, former)[0] == 404


def test_the_extension_revokes_in_its_app(app: Flask, client: FlaskClient):
    headway = Headway()
    with app.test_request_context():
        first, second, third = headway.token(MINE), headway.token(MINE), headway.token(owner="ada")
        headway.revoke(first)
        assert [codes(client, text)[0] for text in (first, second, third)] == [404, 200, 200]
        headway.revoke(task_id=MINE)
        headway.revoke(owner="ada")

    assert [codes(client, text)[0] for text in (first, second, third)] == [404, 404, 404]


def test_a_token_of_an_earlier_version_goes_with_all_of_its_task(
    records: Records, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    for key in ("ID", "MADE"):  # which such a token lacks
        monkeypatch.setattr(f"headway.tokens.{key}", f"unknown {key}")
    text = token(MINE, secret_key=SECRET)
    monkeypatch.undo()
    assert codes(client, text)[0] == 200

    with pytest.raises(ValueError, match="id of a token"):
        revoke_from(records, SECRET, text)
    revoke_from(records, SECRET, task_id=MINE)

    assert codes(client, text)[0] == 404


@pytest.mark.parametrize(("seconds", "kept"), [(60, 60), (MAX_SECONDS, MAX_SECONDS)])
def test_it_is_kept_for_as_long_as_the_token_lasts(records: Records, seconds: float, kept: float):
    text = token(MINE, expires=seconds, secret_key=SECRET)

    revoke_from(records, SECRET, text)

    [key] = records.client.keys("headway:revoked:*")
    assert key == records.keys.revoked(f"task:{MINE}", id_of(text))
    assert kept - 30 < records.client.ttl(key) <= kept + 1


def test_nothing_is_kept_of_a_token_that_has_ended(records: Records):
    revoke_from(records, SECRET, task_id=MINE, token_id="1-abcdefgh")

    assert records.client.keys("headway:revoked:*") == []


def test_of_two_hosts_the_clock_that_is_ahead_counts(
    records: Records, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    text = token(MINE, secret_key=SECRET)
    revoke_from(records, SECRET, task_id=MINE)
    earlier = time.time() - 3600
    monkeypatch.setattr("headway.store.tokens.time.time", lambda: earlier)
    revoke_from(records, SECRET, task_id=MINE)
    monkeypatch.undo()

    assert codes(client, text)[0] == 404
    assert 0 < records.client.pttl(records.keys.revoked(f"task:{MINE}")) <= MAX_SECONDS * 1000


@pytest.mark.parametrize(
    "which",
    [
        {},
        {"token": "hwt_x", "task_id": MINE},
        {"task_id": MINE, "owner": "ada"},
        {"token": "hwt_x", "token_id": "6930f1c2-abcdefgh"},
        {"token_id": "6930f1c2-abcdefgh"},
        {"token": "hwt_x.y"},
        {"task_id": MINE, "token_id": ""},
        {"task_id": MINE, "token_id": "*"},
        {"token": token(MINE, secret_key="another secret")},
    ],
)
def test_what_is_none_is_refused_and_nothing_is_revoked(
    project: Celery, records: Records, which: dict[str, Any]
):
    with pytest.raises(ValueError, match=r"[Tt]oken|task_id") as refused:
        revoke(**which)

    assert "hwt_" not in str(refused.value)
    assert records.client.keys("headway:revoked:*") == []


def test_a_project_with_another_backend_is_told(project: Celery, monkeypatch: pytest.MonkeyPatch):
    other = Celery("other", backend="cache+memory://", set_as_current=False)
    monkeypatch.setattr("headway.revoking.current_app", other)

    with pytest.raises(ConfigError, match="headway\\+redis"):
        revoke(task_id=MINE)


def calls_of(records: Records) -> int:
    stats = records.client.info("commandstats")
    return sum(
        each["calls"] for name, each in stats.items() if name in ("cmdstat_fcall", "cmdstat_mget")
    )


@pytest.mark.parametrize(
    ("grant", "mgets"), [(None, 0), ({"task_ids": MINE}, 1), ({"owner": "ada"}, 1)]
)
def test_a_look_at_a_task_is_one_call_with_a_token_too(
    records: Records, app: Flask, client: FlaskClient, grant: dict[str, Any] | None, mgets: int
):
    app.config["HEADWAY_OWNER_LOADER"] = lambda: None if grant else "ada"
    text = token(**grant, secret_key=SECRET) if grant else ""
    assert codes(client, text)[0] == 200
    before = calls_of(records)

    headers = {"Authorization": f"Bearer {text}"}
    assert client.get(f"/status/{MINE}", headers=headers).status_code == 200

    assert calls_of(records) - before == 1 + mgets


def test_the_documents_examples_revoke(project: Celery, client: FlaskClient):
    page = (ROOT / "docs" / "own-login.md").read_text()
    [code] = re.findall(r"```python\n(from headway import revoke\n.*?)```", page, re.DOTALL)
    texts = [token(MINE), token(OTHER), token(owner="ada")]
    names = {"text": texts[0], "task_id": OTHER, "token_id": id_of(token(OTHER))}

    exec(code, names)

    assert [codes(client, text) for text in texts] == [[404, 404]] * 3

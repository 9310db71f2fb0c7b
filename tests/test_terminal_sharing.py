"""`headway share` and `headway revoke`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from headway.cli.groups import flask_headway
from headway.store.records import Records
from headway.tokens import DAY_SECONDS, read_token, token
from tests import plain_celery as plain
from tests.terminal import TASK_ID, call, create, snapshots

SECRET = "4f0c1d9e-a-secret-of-the-tests-77"
OTHER = f"8{TASK_ID[1:]}"


@pytest.fixture
def here(redis_url: str, records: Records) -> Any:
    """Calls `headway` for a Redis that holds two tasks of ada's."""
    for task_id in (TASK_ID, OTHER):
        create(records, task_id, owner="ada")

    def call_here(*words: str, **env: str) -> Result:
        return call("--redis-url", redis_url, *words, **{"HEADWAY_SECRET_KEY": SECRET, **env})

    return call_here


@pytest.fixture
def opens(records: Records) -> Any:
    """Whether a token opens this task yet."""

    def is_open(text: str, task_id: str = TASK_ID) -> bool:
        grant = read_token(text, [SECRET])
        assert grant is not None
        [stored] = records.read([task_id], claims=[grant.claim(task_id)])
        return stored is not None and not stored.is_revoked

    return is_open


def test_a_task_is_shared_by_a_token_that_only_shows_it(here: Any):
    result = here("share", TASK_ID)

    assert (result.exit_code, result.stderr) == (0, "")
    grant = read_token(result.stdout.strip(), [SECRET])
    assert (grant.task_ids, grant.owner, grant.read_only) == ((TASK_ID,), None, True)
    assert grant.ends - grant.made / 1e6 == pytest.approx(DAY_SECONDS, abs=1)


def test_a_task_is_shared_by_a_link(here: Any):
    result = here("share", TASK_ID, "--url", "https://shop.example/headway/")

    link, _, text = result.stdout.strip().partition("?token=")
    assert link == f"https://shop.example/headway/tasks/{TASK_ID}"
    assert read_token(text, [SECRET]) is not None


def test_a_share_as_json_has_what_it_takes_to_withdraw_it(here: Any, opens: Any):
    [made] = snapshots(here("share", TASK_ID, "--expires-in", "60", "--json"))
    grant = read_token(made["token"], [SECRET])
    assert made == {
        "url": None,
        "token": made["token"],
        "token_id": grant.token_id,
        "expires_at": grant.expires_at,
    }
    assert grant.ends - grant.made / 1e6 == pytest.approx(60, abs=1)
    second = here("share", TASK_ID).stdout.strip()

    result = here("revoke", "--task", TASK_ID, "--id", made["token_id"])

    assert (result.exit_code, result.output) == (0, "")
    assert (opens(made["token"]), opens(second)) == (False, True)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("{one}",), {"two", "other", "owner"}),
        (("--task", TASK_ID), {"other", "owner"}),
        (("--owner", "ada"), {"one", "two", "other"}),
    ],
)
def test_what_is_revoked_opens_nothing_and_the_rest_does(
    here: Any, opens: Any, words: tuple[str, ...], left: set[str]
):
    made = {name: token(TASK_ID, secret_key=SECRET) for name in ("one", "two")}
    made["other"] = token(OTHER, secret_key=SECRET)
    made["owner"] = token(owner="ada", secret_key=SECRET)

    result = here("revoke", *(word.format(**made) for word in words))

    assert (result.exit_code, result.output) == (0, "")
    tasks = {"other": OTHER}
    assert {name for name, text in made.items() if opens(text, tasks.get(name, TASK_ID))} == left


def test_a_former_secrets_token_is_revoked_too(here: Any, records: Records):
    text = token(TASK_ID, secret_key="the-former-one")

    result = here("revoke", text, HEADWAY_SECRET_KEY_FALLBACKS="older the-former-one")

    assert result.exit_code == 0
    assert records.tokens.is_revoked(read_token(text, ["the-former-one"]))


def test_a_projects_own_secret_signs(
    redis_url: str, records: Records, monkeypatch: pytest.MonkeyPatch
):
    plain.use(redis_url)
    monkeypatch.setitem(plain.celery.conf, "headway_secret_key", SECRET)
    create(records)

    made = call("-A", "tests.plain_celery:celery", "share", TASK_ID).stdout.strip()

    assert read_token(made, [SECRET]) is not None


def test_flask_shares_as_its_routes_do(app: Flask, records: Records):
    create(records)

    def flask(*words: str) -> Result:
        info = ScriptInfo(create_app=lambda: app)
        return CliRunner().invoke(flask_headway, words, obj=info, catch_exceptions=False)

    made = flask("share", TASK_ID).stdout.strip()
    client = app.test_client()
    assert client.get(f"/status/{TASK_ID}?token={made}").status_code == 200

    assert flask("revoke", made).exit_code == 0

    gone = client.get(f"/status/{TASK_ID}?token={made}")
    assert (gone.status_code, gone.get_json()["error"]["code"]) == (404, "token_revoked")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("share", "no-such-task"), 4, "There is no task no-such-task"),
        (("share", "no such id"), 4, "There is no task no such id"),
        (("share", TASK_ID, "--expires-in", "0"), 2, "0.0 is not in the range"),
        (("share", TASK_ID, "--expires-in", "nan"), 2, "A token lasts for a while"),
        (("share", TASK_ID, "--url", "shop.example"), 2, "This must be an address"),
        (("revoke",), 2, "Say what to revoke"),
        (("revoke", "hwt_x", "--task", TASK_ID), 2, "Say what to revoke"),
        (("revoke", "--task", TASK_ID, "--owner", "ada"), 2, "Say what to revoke"),
        (("revoke", "--owner", ""), 2, "Say what to revoke"),
        (("revoke", "--id", "x"), 2, "Say what to revoke"),
        (("revoke", "--task", TASK_ID, "--id", "x"), 2, "That is not the id of a token."),
        (("revoke", "hwt_not-one"), 2, "That is no token, or it was signed with another"),
        (("revoke", "--owner", "\udce4"), 2, "This is not UTF-8."),
    ],
)
def test_what_cannot_be_done_is_said(here: Any, words: tuple[str, ...], code: int, said: str):
    result = here(*words)

    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr.splitlines()[-1]


def test_without_a_secret_no_token_is_made(here: Any):
    made = here("share", TASK_ID, HEADWAY_SECRET_KEY="")
    revoked = here("revoke", "--task", TASK_ID, HEADWAY_SECRET_KEY="")

    assert made.exit_code == 2
    assert "There is no secret to sign a token with" in made.stderr
    assert revoked.exit_code == 0  # which needs none


@pytest.mark.parametrize("secret", ["secret", "a" * 40, "short-but-odd"])
def test_a_weak_secret_signs_nothing(here: Any, secret: str):
    result = here("share", TASK_ID, HEADWAY_SECRET_KEY=secret)

    assert (result.exit_code, "random secrets of 16" in result.stderr) == (2, True)
    assert "hwt_" not in result.output


def test_json_is_one_line(here: Any):
    result = here("share", TASK_ID, "--url", "http://localhost:5000", "--json")

    [line] = result.stdout.splitlines()
    assert json.loads(line)["url"].startswith(f"http://localhost:5000/tasks/{TASK_ID}?token=hwt_")

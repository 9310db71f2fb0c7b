"""Sharing a task by a link, and withdrawing links: what each viewer gets at each HTTP endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from app import create_app
from headway import Headway, token
from headway.store.model import Sent
from headway.store.records import Records
from headway.tokens import MAX_SECONDS, read_token

SECRET = "a secret for the tests"
MINE = "7f3a1c52-mine"
OTHER = "7f3a1c52-other"
NOBODYS = "7f3a1c52-nobodys"
UNKNOWN = "7f3a1c52-unknown"
PATHS = ("/status/{}", "/tasks/{}", "/tasks/{}/log")


@pytest.fixture(autouse=True)
def tasks(app: Flask, records: Records) -> None:
    """Ada's two tasks and nobody's; the header `User` says who asks, `Operator` whether as one."""
    app.config["HEADWAY_OWNER_LOADER"] = lambda: request.headers.get("User")
    app.config["HEADWAY_VISIBLE"] = lambda: "Operator" in request.headers
    for task_id, owner in ((MINE, "ada"), (OTHER, "ada"), (NOBODYS, "")):
        records.starts.enqueue(task_id, Sent("long_task", "", owner, "celery", "+60000000", "", 4))


def share(client: FlaskClient, task_id: str = MINE, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/tasks/{task_id}/share", json=body, headers={"User": "ada"})
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def revoked_token(client: FlaskClient) -> str:
    made = share(client)
    gone = client.delete(f"/tasks/{MINE}/share/{made['token_id']}", headers={"User": "ada"})
    assert gone.status_code == 204
    return str(made["token"])


def expired_token(_: FlaskClient) -> str:
    text = token(MINE, expires=0.001, secret_key=SECRET)
    ends = read_token(text, [SECRET])
    assert ends is not None
    assert ends.has_ended
    return text


VIEWERS: dict[str, tuple[Callable[[FlaskClient], dict[str, str]], bool, int, int]] = {
    # who: headers, sees the task, answer to a change, answer to sharing
    "the owner": (lambda _: {"User": "ada"}, True, 202, 201),
    "a stranger": (lambda _: {"User": "bob"}, False, 404, 404),
    "nobody": (lambda _: {}, False, 404, 404),
    "an operator": (lambda _: {"User": "eve", "Operator": "yes"}, False, 404, 404),
    "a token": (lambda client: bearer(share(client)["token"]), True, 403, 404),
    "a writing token": (
        lambda _: bearer(token(MINE, read_only=False, secret_key=SECRET)),
        True,
        202,
        404,
    ),
    "an owner's token": (
        lambda _: bearer(token(owner="ada", read_only=False, secret_key=SECRET)),
        True,
        202,
        404,
    ),
    "a revoked token": (lambda client: bearer(revoked_token(client)), False, 404, 404),
    "an expired token": (lambda client: bearer(expired_token(client)), False, 404, 404),
    "another task's token": (lambda client: bearer(share(client, OTHER)["token"]), False, 404, 404),
    "the owner with a token": (
        lambda client: {"User": "ada"} | bearer(revoked_token(client)),
        True,
        202,
        201,
    ),
}


@pytest.mark.parametrize("who", VIEWERS)
def test_each_viewer_at_each_endpoint(client: FlaskClient, who: str):
    headers_of, sees, change, shares = VIEWERS[who]
    headers = headers_of(client)

    for path in PATHS:
        answer = client.get(path.format(MINE), headers=headers)
        assert answer.status_code == (200 if sees else 404), path
    several = client.get(f"/status?task_id={MINE}&task_id={UNKNOWN}", headers=headers).get_json()
    assert several["missing"] == ([UNKNOWN] if sees else [MINE, UNKNOWN])
    listed = client.get("/tasks", headers=headers).get_json()["tasks"]
    assert (MINE in [one["task_id"] for one in listed]) is sees
    assert client.post(f"/tasks/{MINE}/share", headers=headers).status_code == shares
    for gone in ("share", "share/6930f1c2-abcdefgh"):
        code = client.delete(f"/tasks/{MINE}/{gone}", headers=headers).status_code
        assert code == (204 if shares == 201 else 404)
    # The task waits in no queue of this test, and has not ended.
    later = {"countdown": 60}
    for verb, body, possible in (("schedule", later, 409), ("retry", {}, 409), ("cancel", {}, 202)):
        answer = client.post(f"/tasks/{MINE}/{verb}", json=body, headers=headers)
        assert answer.status_code == (possible if change == 202 else change), verb


@pytest.mark.parametrize("who", [who for who, (*_, shares) in VIEWERS.items() if shares == 404])
def test_who_may_not_share_is_answered_as_for_an_unknown_task(client: FlaskClient, who: str):
    headers = VIEWERS[who][0](client)

    for method, path in (
        ("POST", "share"),
        ("DELETE", "share"),
        ("DELETE", "share/6930f1c2-aaaaaaaa"),
    ):
        answers = [
            client.open(f"/tasks/{task_id}/{path}", method=method, headers=headers)
            for task_id in (MINE, UNKNOWN, "not well-formed")
        ]
        assert {(one.status_code, one.text) for one in answers} == {(404, answers[0].text)}
        assert {tuple(one.headers.keys()) for one in answers} == {tuple(answers[0].headers.keys())}


def test_an_operator_shares_what_has_no_owner(client: FlaskClient):
    path = f"/tasks/{NOBODYS}/share"

    made = client.post(path, headers={"Operator": "yes"}).get_json()

    assert client.get(f"/status/{NOBODYS}", headers=bearer(made["token"])).status_code == 200
    assert client.post(path, headers={"User": "ada"}).status_code == 404


def test_the_link_opens_the_task_and_says_until_when(client: FlaskClient):
    before = time.time()
    made = share(client, expires_in=90)
    link = urlsplit(made["url"])
    grant = read_token(made["token"], [SECRET])

    assert (link.scheme, link.netloc, link.path) == ("http", "localhost", f"/tasks/{MINE}")
    assert parse_qs(link.query) == {"token": [made["token"]]}
    assert client.get(f"{link.path}?{link.query}").get_json()["task_id"] == MINE
    assert grant is not None
    assert (grant.task_ids, grant.read_only, grant.token_id) == ((MINE,), True, made["token_id"])
    assert before + 89 <= grant.ends <= time.time() + 90
    assert made["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(grant.ends))


def test_the_link_stands_below_the_mount_and_the_proxies(env: dict[str, str], records: Records):
    app = create_app(env | {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": "shop.example"})
    app.config["HEADWAY_OWNER_LOADER"] = lambda: "ada"
    headers = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/below",
    }

    made = app.test_client().post(f"/tasks/{MINE}/share", headers=headers)

    assert made.get_json()["url"].startswith(f"https://shop.example/below/tasks/{MINE}?token=hwt_")


@pytest.mark.parametrize("seconds", [0, -1, True, "60", None, MAX_SECONDS + 1, [60], 1e300])
def test_a_time_out_of_bounds_is_refused(client: FlaskClient, seconds: Any):
    headers = {"User": "ada"}

    answer = client.post(f"/tasks/{MINE}/share", json={"expires_in": seconds}, headers=headers)

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_time")
    assert "expires_in" in answer.get_json()["error"]["fields"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"json": []}, 400),
        ({"json": {"expires": 60}}, 400),
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "expires_in=60"}, 415),
    ],
)
def test_a_bad_body_is_refused(client: FlaskClient, options: dict[str, Any], code: int):
    answer = client.post(f"/tasks/{MINE}/share", headers={"User": "ada"}, **options)

    assert answer.status_code == code


def test_other_sites_pages_neither_share_nor_withdraw(client: FlaskClient):
    headers = {"User": "ada", "Sec-Fetch-Site": "cross-site"}

    for method in ("POST", "DELETE"):
        answer = client.open(f"/tasks/{MINE}/share", method=method, headers=headers)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "cross_site")


def test_one_is_withdrawn_and_the_others_stay(client: FlaskClient, records: Records):
    first, second = share(client), share(client)
    path = f"/tasks/{MINE}/share/{first['token_id']}"

    for _ in range(2):  # again changes nothing
        assert client.delete(path, headers={"User": "ada"}).status_code == 204

    gone = client.get(f"/status/{MINE}", headers=bearer(first["token"]))
    assert (gone.status_code, gone.get_json()["error"]["code"]) == (404, "token_revoked")
    assert client.get(f"/status/{MINE}", headers=bearer(second["token"])).status_code == 200


def test_all_of_a_task_are_withdrawn_and_later_ones_are_not(client: FlaskClient):
    made = [share(client)["token"], token([MINE, OTHER], secret_key=SECRET)]

    assert client.delete(f"/tasks/{MINE}/share", headers={"User": "ada"}).status_code == 204

    made.append(share(client)["token"])
    codes = [client.get(f"/status/{MINE}", headers=bearer(one)).status_code for one in made]
    assert codes == [404, 404, 200]
    assert client.get(f"/status/{OTHER}", headers=bearer(made[1])).status_code == 200


def test_the_owner_of_one_task_withdraws_no_token_of_another(client: FlaskClient):
    made = share(client)
    stranger = {"User": "ada"}

    gone = client.delete(f"/tasks/{OTHER}/share/{made['token_id']}", headers=stranger)

    assert gone.status_code == 204  # of the other task there is none
    assert client.get(f"/status/{MINE}", headers=bearer(made["token"])).status_code == 200


@pytest.mark.parametrize("token_id", ["x", "*", "6930f1c2", "6930f1c2-short", "zz-abcdefgh"])
def test_what_is_no_tokens_id_is_told(client: FlaskClient, token_id: str):
    answer = client.delete(f"/tasks/{MINE}/share/{token_id}", headers={"User": "ada"})

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_token_id")


def test_a_revoked_token_does_not_tell_which_other_tasks_there_are(client: FlaskClient, app: Flask):
    of_bob = token(owner="bob", secret_key=SECRET)
    with app.test_request_context():
        Headway().revoke(of_bob)

    codes = [
        client.get(f"/status/{task_id}", headers=bearer(of_bob)).get_json()["error"]["code"]
        for task_id in (MINE, UNKNOWN)
    ]
    assert codes == ["not_found", "not_found"]

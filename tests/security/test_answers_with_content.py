"""Each page and file of the app as its owner sees it: the headers hold beside real content too."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from headway import token
from headway.state import state_of
from headway.store.records import Records
from tests.by_hand import HERE, claimed_by, give
from tests.large import celery_app
from tests.security.test_every_endpoint import BROWSER, JSON, rules

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PAGES = {"/", "/start", "/start/<name>", "/tasks", "/tasks/<task_id>", "/tasks/<task_id>/parts"}
PAGES |= {"/schedules", "/inbox", "/inbox/<message_id>"}
HOSTILE = '<script>alert(1)</script>" onload="alert(2)'
NAMES = {
    "/assets/<name>": "headway.js",
    "/start/<name>": "long_task",
    "/tasks/<task_id>/streams/<name>": "answer",
    "/tasks/<task_id>/files/<name>": "report.csv",
}
INLINE = re.compile(r"<script(?![^>]* src=)([^>]*)>")
NONCE = re.compile(r'nonce="([^"]+)"')


@pytest.fixture
def owner(app: Flask, records: Records) -> FlaskClient:
    """A visitor with all that there is to see; an operator too."""
    app.config["HEADWAY_VISIBLE"] = lambda: True
    state_of(app).manager.heartbeat.round_trip = lambda seconds: True
    client: FlaskClient = app.test_client()
    return client


@pytest.fixture
def parts(
    app: Flask, owner: FlaskClient, records: Records, redis_url: str, tmp_path: Path
) -> dict[str, str]:
    """What stands in the addresses of what there is to see."""
    task_id = claimed_by(owner, records)
    store = state_of(app).files
    assert store is not None
    give(records, store, task_id, "report.csv", b"a,b\n1,2\n")
    assert records.output.log(task_id, HERE, [("INFO", HOSTILE)])
    written = {"closes": False, "max_bytes": 1000}
    records.output.write_stream(task_id, HERE, "answer", 0, HOSTILE.encode(), **written)
    celery_app(redis_url).backend.mark_as_done(task_id, [{"name": HOSTILE, "value": 1}])
    uploaded = owner.post("/uploads", data={"file": (io.BytesIO(b"a,b\n"), "people.csv")})
    folder = app.config["MAIL_INBOX"] / "new"
    folder.mkdir(parents=True)
    (folder / "1700000000.M1P7Q1.host").write_text(
        f"Subject: {HOSTILE}\nContent-Type: text/html\n\n{HOSTILE}\n"
    )
    [stored] = records.read([task_id])
    assert stored is not None
    return {
        "task_id": task_id,
        "token": token(owner=stored.owner, secret_key=app.config["SECRET_KEY"]),
        "upload_id": uploaded.get_json()["upload_id"],
        "message_id": "1700000000.M1P7Q1.host",
        "filename": "css/app.css",
        "tag": "zh",
        "kind": "js",
    }


def get(
    client: FlaskClient, rule: str, parts: dict[str, str], headers: dict[str, str]
) -> TestResponse:
    known = {**parts, "name": NAMES.get(rule, "")}
    path = re.sub(r"<(\w+)>", lambda found: known[found[1]], rule)
    queries = {
        "/status": {"task_id": parts["task_id"]},
        # Without a token the application leads a browser on to its own page, which shows the same.
        "/tasks": {"token": parts["token"]},
    }
    return client.get(path, query_string=queries.get(rule), headers=headers)


def wrong_of(response: TestResponse) -> set[str]:
    """Return the headers of an answer that do not protect it."""
    headers = response.headers
    policy = headers.get("Content-Security-Policy", "")
    is_sound = "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    in_address = {"Referrer-Policy": "no-referrer"} if "token" in response.request.args else {}
    expected = {**HEADERS, **in_address}
    wrong = {name for name, value in expected.items() if headers.get(name) != value}
    wrong |= set() if is_sound and "unsafe" not in policy else {"Content-Security-Policy"}
    if headers.get("Cross-Origin-Resource-Policy") not in ("same-origin", "cross-origin"):
        wrong.add("Cross-Origin-Resource-Policy")
    for cookie in headers.getlist("Set-Cookie"):
        if not {"HttpOnly", "SameSite=Lax", "Path=/"} <= {p.strip() for p in cookie.split(";")}:
            wrong.add("Set-Cookie")
    return wrong


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
def test_each_answer_with_content_has_the_headers_that_protect_it(
    app: Flask, owner: FlaskClient, parts: dict[str, str], headers: dict[str, str]
):
    for method, rule in rules(app):
        if method == "GET":
            response = get(owner, rule, parts, headers)
            assert response.status_code == 200, (rule, response.text)
            assert response.data, rule
            assert wrong_of(response) == set(), rule
            response.close()


def test_a_page_runs_its_own_scripts_alone_by_a_nonce_of_each_load(
    app: Flask, owner: FlaskClient, parts: dict[str, str]
):
    seen: list[str] = []
    pages: set[str] = set()
    for method, rule in [each for each in rules(app) if each[0] == "GET"] * 2:
        response = get(owner, rule, parts, BROWSER)
        policy = response.headers["Content-Security-Policy"]
        named = re.findall(r"'nonce-([^']+)'", policy)
        if response.mimetype == "text/html":
            assert method == "GET"
            pages.add(rule)
            [nonce] = named
            assert set(NONCE.findall(response.text)) == {nonce}, rule
            assert all(f'nonce="{nonce}"' in each for each in INLINE.findall(response.text)), rule
            assert not re.search(r"<[^>]+ (on\w+|style)=", strip_quoted(response.text)), rule
            assert HOSTILE not in response.text, rule
            seen.append(nonce)
        else:
            assert not named, rule
        response.close()

    assert pages == PAGES
    assert len(set(seen)) == len(seen) == 2 * len(PAGES)


def strip_quoted(page: str) -> str:
    """Return a page without the values of its attributes."""
    return re.sub(r'="[^"]*"', "=", page)

"""Links of an element with a token: no address has the token, and its cookie opens few of them."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway import token
from headway.store.model import Sent
from headway.store.records import Records
from headway.web.requests.viewers import TOKEN_COOKIE

SECRET = "a secret for the tests"
BROWSER = {"Accept": "text/html"}
ADAS = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b"
BOBS = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7c"


@pytest.fixture
def client(app: Flask, records: Records) -> FlaskClient:
    for task_id, owner in ((ADAS, "ada"), (BOBS, "bob")):
        records.starts.enqueue(task_id, Sent("long_task", "", owner, "celery", "+60000000", "", 4))
    return app.test_client()


def follow(client: FlaskClient, path: str, **headers: str) -> tuple[int, str]:
    """Follow a link to a path with a token for all of Ada's tasks; return status and address."""
    form = {"token": token(owner="ada", read_only=False, secret_key=SECRET), "path": path}
    answer = client.post("/tokens", data=form, headers={**BROWSER, **headers})
    return answer.status_code, answer.headers.get("Location", "")


def test_a_link_leads_to_a_task_whose_id_its_project_has_chosen(client: FlaskClient):
    assert follow(client, "/tasks/order-17/log.txt") == (303, "/tasks/order-17/log.txt")


@pytest.mark.parametrize("below", ["", "#outcome", "/files/a%20b.csv", "/log.txt?level=ERROR"])
def test_a_link_leads_to_its_address_without_the_token(client: FlaskClient, below: str):
    assert follow(client, f"/tasks/{ADAS}{below}") == (303, f"/tasks/{ADAS}{below}")


def test_the_page_that_it_leads_to_is_open_and_its_links_have_no_token(client: FlaskClient):
    follow(client, f"/tasks/{ADAS}")

    page = client.get(f"/tasks/{ADAS}", headers=BROWSER)

    assert page.status_code == 200
    assert "?token=" not in page.text
    assert 'token="hwt_' in page.text  # of its element, which asks by header
    assert client.post(f"/tasks/{ADAS}", data={"action": "cancel"}).location == f"/tasks/{ADAS}"


def test_its_cookie_opens_no_list_no_status_and_no_other_owners_task(client: FlaskClient):
    follow(client, f"/tasks/{ADAS}")

    assert client.get("/tasks", headers={"Accept": "application/json"}).json["tasks"] == []
    assert client.get(f"/status/{ADAS}").status_code == 404
    assert client.get(f"/tasks/{BOBS}", headers=BROWSER).status_code == 404
    cookie = client.get_cookie(TOKEN_COOKIE, path="/tasks/")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.max_age) == (True, "Lax", None)


def test_another_sites_page_gives_nobody_a_cookie(client: FlaskClient):
    status, address = follow(client, f"/tasks/{ADAS}", Origin="https://evil.example.com")

    assert (status, address) == (403, "")
    assert client.get_cookie(TOKEN_COOKIE, path="/tasks/") is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tasks",
        "/tasks/",
        "/",
        "//evil.example.com",
        "https://evil.example.com/",
        f"/tasks/{ADAS}.evil.example.com",
        f"/tasks/{ADAS}/../../x\\y",
        f"/tasks/{ADAS}/x\r\nSet-Cookie: a=b",
        f"/tasks/{ADAS}/é",
    ],
)
def test_no_other_address_is_led_to(client: FlaskClient, path: str):
    assert follow(client, path) == (400, "")


@pytest.mark.parametrize(
    "text", ["", "hwt_", "hwt_x", token(ADAS, secret_key="another secret ...")]
)
def test_what_is_no_token_leads_nowhere(client: FlaskClient, text: str):
    answer = client.post("/tokens", data={"token": text, "path": f"/tasks/{ADAS}"}, headers=BROWSER)

    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers or TOKEN_COOKIE not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/status/{}", "/status?task_id={}", "/tasks", "/tasks/{}"])
def test_a_cookie_of_any_bytes_is_no_token(client: FlaskClient, path: str):
    known = {"HTTP_COOKIE": "headway_session=none"}
    odd = {"HTTP_COOKIE": f"{TOKEN_COOKIE}=\xff; headway_session=none"}

    answers = [client.get(path.format(ADAS), environ_overrides=each) for each in (known, odd)]

    assert answers[0].status_code in (200, 404)
    assert answers[1].status_code == answers[0].status_code

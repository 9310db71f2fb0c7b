"""What a project's own pages get: the template functions, the bundled script, and leave to read
from other origins.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from app import create_app
from headway import ConfigError, Headway
from headway.celery.messages.sends import load_owner_by, nobody
from headway.web import assets
from headway.web.requests.owners import owner_of_sender
from headway.web.requests.sessions import VISITOR
from tests.api import BROWSER
from tests.processes import Valkey

TASK = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
PARTNER = {"Origin": "https://partner.example"}
STRANGER = {"Origin": "https://evil.example"}


@pytest.fixture(scope="module")
def shop(valkey: Valkey) -> Iterator[Flask]:
    """Somebody's app, with Headway below a prefix and one other origin allowed."""
    app = Flask("shop", template_folder=None)  # else that of this repository
    app.config.update(
        SECRET_KEY="a secret for the tests", HEADWAY_ALLOWED_ORIGINS=["https://partner.example"]
    )
    celery = Celery(
        "shop", broker=valkey.url, backend=f"headway+{valkey.url}", set_as_current=False
    )
    Headway(app, celery=celery, url_prefix="/live")
    app.add_url_rule("/mine", view_func=lambda: render_template_string("{{ headway.list() }}"))
    yield app
    load_owner_by(nobody)


@pytest.fixture
def client(shop: Flask) -> FlaskClient:
    return shop.test_client()


def rendered(app: Flask, template: str, **context: object) -> str:
    with app.test_request_context():
        return render_template_string(template, **context)


def test_a_template_has_a_card_and_a_list(shop: Flask):
    card = rendered(shop, "{{ headway.card(task) }}", task=TASK)
    tasks = rendered(shop, "{{ headway.list() }}")

    assert card.startswith(f'<headway-task src="/live/status/{TASK}" actions>')
    assert tasks.startswith('<headway-list src="/live/tasks" actions tab>')


@pytest.mark.parametrize("path", ["/mine", "/live/tasks"])
def test_a_list_identifies_a_new_visitor_once(client: FlaskClient, path: str):
    """A page that is open then hears of the first task that this visitor starts."""
    visitors = []
    for headers in ({"Accept": "application/json"}, BROWSER, BROWSER):
        client.get(path if headers is BROWSER else "/live/tasks", headers=headers)
        with client.session_transaction() as session:
            visitors.append(session.get(VISITOR))

    assert visitors == [None, visitors[1], visitors[1]]
    assert visitors[1]


def test_without_a_secret_key_a_visitor_is_nobody_which_is_logged(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
):
    celery = Celery("plain", backend=f"headway+{valkey.url}", set_as_current=False)
    app = Flask("plain")
    Headway(app, celery=celery)

    with app.test_request_context():
        assert "<headway-list" in render_template_string("{{ headway.list() }}")
        assert owner_of_sender() is None

    assert [each.getMessage() for each in caplog.records if "SECRET_KEY" in each.getMessage()]
    load_owner_by(nobody)


def test_what_a_template_hands_over_is_text(shop: Flask):
    card = rendered(shop, "{{ headway.card(task) }}", task='"><script>alert(1)</script>')

    assert "<script>" not in card
    assert '"">' not in card


@pytest.mark.parametrize(
    ("template", "context", "attribute"),
    [
        ("{{ headway.scripts() }}", {}, ""),
        ("{{ headway.scripts() }}", {"csp_nonce": "a&b"}, ' nonce="a&amp;b"'),
        ("{{ headway.scripts() }}", {"csp_nonce": lambda: "abc"}, ' nonce="abc"'),
        ("{{ headway.scripts(nonce='given') }}", {"csp_nonce": "abc"}, ' nonce="given"'),
    ],
)
def test_the_script_carries_the_nonce_of_the_page(
    shop: Flask, template: str, context: dict, attribute: str
):
    version = assets.bundle_version()

    tag = rendered(shop, template, **context)

    assert tag == f'<script src="/live/assets/headway.js?v={version}" defer{attribute}></script>'


def test_browsers_keep_the_script_for_as_long_as_it_is_the_same(client: FlaskClient):
    version = assets.bundle_version()

    # which closes the file
    kept = client.get(f"/live/assets/headway.js?v={version}", buffered=True)
    for query in ("", "?v=another"):
        asked = client.get(f"/live/assets/headway.js{query}", buffered=True)
        assert asked.headers["Cache-Control"] == "no-cache"
    known = {"If-None-Match": asked.headers["ETag"]}
    again = client.get("/live/assets/headway.js", headers=known, buffered=True)

    assert (kept.status_code, kept.headers["Cache-Control"]) == (
        200,
        "public, max-age=31536000, immutable",
    )
    assert kept.mimetype.endswith("javascript")
    assert again.status_code == 304
    assert "socket.io" in kept.text  # the client is inside


def test_the_script_is_small(client: FlaskClient):
    """All JavaScript of a page with a list: `make bundle` prints its size."""
    script = client.get("/live/assets/headway.js", buffered=True).data

    assert len(gzip.compress(script)) < 30_000


def test_nothing_but_the_browsers_files_is_given_out(client: FlaskClient):
    for path in (
        "../extension.py",
        "..%2fextension.py",
        "js/../../extension.py",
        "no-such.js",
        "js",
    ):
        assert client.get(f"/live/assets/{path}").status_code == 404, path


def test_a_script_that_is_not_built_is_said_to_be(
    shop: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    assets.bundle_version.cache_clear()

    answer = shop.test_client().get("/live/assets/headway.js")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_built")
    with pytest.raises(ConfigError, match="make bundle"):
        rendered(shop, "{{ headway.scripts() }}")


@pytest.mark.parametrize(
    "path", [f"/live/status/{TASK}", "/live/tasks", "/live/healthz", f"/live/status?task_id={TASK}"]
)
def test_an_allowed_origin_may_read_every_answer(client: FlaskClient, path: str):
    allowed, refused, own = (
        client.get(path, headers=headers) for headers in (PARTNER, STRANGER, {})
    )

    assert allowed.headers["Access-Control-Allow-Origin"] == "https://partner.example"
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
    for answer in (refused, own):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert all("Origin" in answer.vary for answer in (allowed, refused, own))


def test_it_is_asked_before_a_token_is_sent(client: FlaskClient):
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    allowed = client.options(f"/live/tasks/{TASK}/cancel", headers=PARTNER | ask)
    refused = client.options(f"/live/tasks/{TASK}/cancel", headers=STRANGER | ask)

    assert allowed.status_code == 200
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_without_the_setting_no_other_origin_reads(app: Flask):
    answer = app.test_client().get("/tasks", headers=PARTNER)

    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_the_fast_status_is_shared_as_well(env: dict[str, str]):
    app = create_app(env | {"ALLOWED_ORIGINS": "https://partner.example"})
    client = app.test_client()
    task_id = client.post("/longtask", headers=PARTNER).get_json()["task_id"]

    answer = client.get(f"/status/{task_id}", headers=PARTNER)

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (
        200,
        "https://partner.example",
    )

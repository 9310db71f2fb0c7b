"""What goes wrong at any route with a secret in its words: no answer tells it, nor does the log."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from flask import Flask

from app import create_app
from headway import Headway, masking
from headway.state import state_of
from headway.store.functions import Functions
from headway.tokens import token
from tests.security.test_every_endpoint import BROWSER, JSON, path_of, rules

MARKED = "märked/pass=word&7"


@pytest.fixture
def words() -> str:
    """An error's words, with each kind of secret in them."""
    key = "a key for this test alone"
    return (
        f"redis://ops:{MARKED}@db:6379/0 refuses {MARKED}, for "
        f"{token('0' * 8 + '-0000-4000-8000-' + '0' * 12, secret_key=key)}"
    )


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
def test_an_error_at_any_route_tells_no_secret(
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    words: str,
):
    masking.set_secrets("test", [MARKED])
    app = create_app(env)
    client = app.test_client()
    client.post("/longtask")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(Functions, "call", fail)
    monkeypatch.setattr(state_of(app).records, "read", fail)
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(masking.MaskedRecord)
    try:
        answers = []
        for method, rule in rules(app):
            if rule != "/readyz":
                response = client.open(path_of(rule), method=method, headers=headers)
                answers.append((response.status_code, f"{response.headers}{response.text}"))
                response.close()
    finally:
        logging.setLogRecordFactory(before)
        masking.set_secrets("test", [])

    said = caplog.text + "".join(text for _, text in answers)
    assert [status for status, _ in answers].count(500) > 5
    assert "refuses ***, for ***" in caplog.text
    assert [form for form in masking.forms(MARKED) if form in said] == []
    assert "hwt_" not in said
    assert "Traceback" not in "".join(text for _, text in answers)


BROKERS = {
    "broker_url": f"amqp://ops:{quote(MARKED, safe='')}@queue/shop",
    "broker_read_url": [f"amqp://ops:{quote(MARKED, safe='')}@queue/shop", "amqp://other"],
    "broker_write_url": f"amqp://first;amqp://ops:{quote(MARKED, safe='')}@queue/shop",
    "headway_secret_key": MARKED,
    "headway_secret_key_fallbacks": [MARKED, "another that has been in use"],
}


@pytest.mark.parametrize("setting", BROKERS)
def test_what_celerys_settings_hold_is_masked_from_the_start(redis_url: str, setting: str):
    """In any project with Headway, not only in one that sets its secrets."""
    celery = Celery("shop", backend=f"headway+{redis_url}", set_as_current=False)
    celery.conf.update(
        {"headway_secret_key": "a key of this test alone", setting: BROKERS[setting]}
    )

    celery.backend  # noqa: B018  # a property that makes it

    assert masking.mask(f"refuses {MARKED}, {quote(MARKED, safe='')}") == "refuses ***, ***"


@pytest.mark.parametrize(
    "setting", ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "HEADWAY_SECRET_KEY"], ids=str
)
@pytest.mark.parametrize("kind", [str, bytes])
def test_the_secrets_of_a_flask_app_are_masked_from_the_start(
    redis_url: str, setting: str, kind: type
):
    secret = MARKED if kind is str else MARKED.encode()
    celery = Celery("shop", backend=f"headway+{redis_url}", set_as_current=False)
    app = Flask("shop")
    app.config["SECRET_KEY"] = "a key of this test alone"
    app.config[setting] = [secret] if setting.endswith("FALLBACKS") else secret

    Headway().init_app(app, celery=celery)

    assert masking.mask(f"the key is {MARKED}") == "the key is ***"


def shop(redis_url: str, secret: str) -> Flask:
    """Return an app of a library's user, with all the secrets that it may have."""
    celery = Celery("shop", backend=f"headway+{redis_url}", set_as_current=False)
    celery.conf.update(
        broker_url=f"amqp://ops:{secret}-broker@queue/shop", headway_secret_key=f"{secret}-tokens"
    )
    app = Flask("shop")
    app.config["SECRET_KEY"] = f"{secret}-sessions"
    Headway().init_app(app, celery=celery)
    return app


def test_a_second_app_in_the_process_uncovers_no_secret_of_the_first(redis_url: str):
    apps = [shop(redis_url, name) for name in ("märked-first", "märked-second")]

    for name in ("märked-first", "märked-second"):
        said = f"{name}-broker, {name}-tokens, {name}-sessions"
        assert masking.mask(said) == "***, ***, ***"
    assert len(apps) == 2


def test_a_second_reference_app_uncovers_no_password_of_the_first(env: dict[str, str]):
    logins = {"MAIL_SERVER": "mail.example", "MAIL_USERNAME": "ops"}
    apps = [create_app({**env, **logins, "MAIL_PASSWORD": f"märked-mail-{n}"}) for n in (1, 2)]

    assert masking.mask("märked-mail-1, märked-mail-2") == "***, ***"
    assert len(apps) == 2

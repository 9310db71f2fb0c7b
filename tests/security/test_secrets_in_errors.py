"""What goes wrong at any route with a secret in its words: no answer tells it, nor does the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from app import create_app
from headway import masking
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

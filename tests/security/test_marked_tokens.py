"""A marked token and a visitor's cookie, shown in every way, while all goes wrong: nothing that is
logged, kept, answered or measured tells them.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask, request

from app import create_app
from headway import token
from headway.masking import guard_process
from headway.store.records import Records
from tests.browser import OrderedClient
from tests.processes import free_port
from tests.security.conftest import Served
from tests.security.test_every_endpoint import path_of, rules
from tests.test_masking import everything

SECRET = "a secret for the tests"
WAYS = ["query", "bearer", "cookie"]


def shown(way: str, text: str) -> dict[str, Any]:
    if way == "query":
        return {"query_string": {"token": text}}
    header = {"bearer": "Authorization", "cookie": "Cookie"}[way]
    return {"headers": {header: f"Bearer {text}" if way == "bearer" else f"other={text}"}}


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError(f"a fault of this test: {request.url} {request.headers}")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("way", WAYS)
def test_no_answer_log_or_key_tells_a_token(
    app: Flask, records: Records, caplog: pytest.LogCaptureFixture, way: str, accept: str
):
    caplog.set_level(logging.DEBUG)
    guard_process()
    client = app.test_client()
    task_id = client.post("/longtask").get_json()["task_id"]
    cookie = client.get_cookie("headway_session")
    assert cookie is not None
    text = token(task_id, secret_key=SECRET)
    given = shown(way, text)
    headers = {"Accept": accept, **given.pop("headers", {})}

    answers = []
    for method, rule in rules(app):
        for data in (None, b"{"):
            response = client.open(
                path_of(rule, task_id), method=method, headers=headers, data=data, **given
            )
            # A link's page leads on by the token in its address; sharing makes one, for the owner.
            has_it = (way, rule, response.mimetype) == ("query", "/tasks", "text/html")
            if "share" not in rule and not has_it:
                answers.append(response.get_data(as_text=True))
            response.close()

    told = "\n".join([*answers, caplog.text, everything(records)])
    assert text not in told
    assert cookie.value not in told


@pytest.mark.parametrize("way", WAYS)
def test_no_failure_tells_a_token(
    env: dict[str, str],
    app: Flask,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
):
    """Redis is away, and a view that raises; the log has the traceback."""
    caplog.set_level(logging.DEBUG)
    guard_process()
    away = create_app({**env, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})
    text = token("a-task", secret_key=SECRET)
    monkeypatch.setitem(app.view_functions, "headway.status", broken)

    absent = away.test_client().get("/status/a-task", **shown(way, text))
    failed = app.test_client().get("/status/a-task", **shown(way, text))

    assert (absent.status_code, failed.status_code) == (503, 500)
    assert "a fault of this test" in caplog.text
    assert text not in absent.text + failed.text + caplog.text


def test_a_websocket_that_shows_a_token_tells_it_to_no_log(served: Served):
    text = token("a-task", secret_key=SECRET)
    client = OrderedClient(reconnection=False)

    client.connect(
        f"{served.address}?token={text}",
        {"Authorization": f"Bearer {text}"},
        auth={"token": text},
        transports=["websocket"],
        wait_timeout=15,
    )
    answer = client.call("watch", {"task_ids": 1, "token": text}, timeout=15)
    client.emit("unknown", text)
    client.close()

    assert "error" in answer
    assert text not in str(answer) + served.process.output()

"""A token for one use opens one request, or one websocket, and no other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from headway import token
from headway.revoking import revoke_from
from headway.store.keys import Keys
from headway.store.model import Sent
from headway.store.records import Records
from tests.browser import OrderedClient
from tests.processes import Valkey, running, web

SECRET = "a secret for the tests"
MINE = "7f3a1c52-mine"
ANOTHER = "7f3a1c52-another"
ONCE = {"once": True, "secret_key": SECRET}


@pytest.fixture
def client(app: Flask, records: Records) -> FlaskClient:
    for task_id in (MINE, ANOTHER):
        records.starts.enqueue(task_id, Sent("long_task", "", "ada", "celery", "+60000000", "", 4))
    return app.test_client()


def shown(client: FlaskClient, path: str, text: str, **options: Any) -> tuple[int, str]:
    """Return the status of an answer and the code of its error, "" for none."""
    response = client.open(path, headers={"Authorization": f"Bearer {text}"}, **options)
    error = response.get_json().get("error") or {}
    return response.status_code, error.get("code", "")


@pytest.mark.parametrize("path", ["/status/{}", "/tasks/{}/log", "/tasks/{}/result"])
def test_it_opens_one_request(client: FlaskClient, path: str):
    text = token(MINE, **ONCE)

    answers = [shown(client, path.format(MINE), text) for _ in range(3)]

    assert answers[0][1] != "token_used"
    assert answers[0][0] in (200, 409)  # of a result, that there is none yet
    assert answers[1:] == [(404, "token_used")] * 2


def test_it_changes_a_task_once(client: FlaskClient):
    text = token(MINE, read_only=False, **ONCE)

    answers = [shown(client, f"/tasks/{MINE}/cancel", text, method="POST") for _ in range(2)]

    assert answers == [(202, ""), (404, "token_used")]


def test_each_of_an_owners_is_used_up_alone(client: FlaskClient):
    first, second = (token(owner="ada", **ONCE) for _ in range(2))

    assert shown(client, f"/status/{MINE}", first) == (200, "")
    assert shown(client, f"/status/{ANOTHER}", first) == (404, "token_used")
    assert shown(client, f"/status/{ANOTHER}", second) == (200, "")


def test_of_many_requests_at_once_it_opens_one(app: Flask, client: FlaskClient):
    text = token(MINE, **ONCE)
    begin = threading.Barrier(8)
    found: list[tuple[int, str]] = []

    def ask() -> None:
        begin.wait()
        found.append(shown(app.test_client(), f"/status/{MINE}", text))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(found) == [(200, "")] + [(404, "token_used")] * 7


def test_a_used_one_may_still_be_revoked_and_expires(client: FlaskClient, records: Records):
    text = token(MINE, expires=60, **ONCE)
    assert shown(client, f"/status/{MINE}", text) == (200, "")

    [key] = records.client.keys(Keys().used("*"))

    assert 0 < records.client.ttl(key) <= 61
    revoked = token(MINE, **ONCE)
    revoke_from(records, SECRET, revoked)
    assert shown(client, f"/status/{MINE}", revoked) == (404, "token_revoked")


def test_it_opens_one_websocket_for_all_of_its_calls(valkey: Valkey, tmp_path: Any):
    settings = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET}
    process, address = web(tmp_path, settings)
    with running(process):
        task_id = requests.post(f"{address}/longtask", timeout=10).json()["task_id"]
        auth = {"token": token(task_id, **ONCE)}
        first, second = (OrderedClient(reconnection=False) for _ in range(2))
        try:
            for client in (first, second):
                client.connect(address, transports=["websocket"], auth=auth, wait_timeout=15)
            watched = [first.call("watch", {"task_ids": [task_id]}, timeout=15) for _ in range(2)]
            refused = second.call("watch", {"task_ids": [task_id]}, timeout=15)
        finally:
            first.close()
            second.close()
        after = requests.get(
            f"{address}/status/{task_id}", params={"token": auth["token"]}, timeout=10
        )

    assert [each["missing"] for each in watched] == [[], []]
    assert refused["missing"] == [task_id]
    assert after.json()["error"]["code"] == "token_used"


def test_of_requests_to_two_web_processes_at_once_it_opens_one(valkey: Valkey, tmp_path: Any):
    settings = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET}
    with ExitStack() as stack:
        addresses = []
        for _ in range(2):
            process, address = web(tmp_path, settings)
            stack.enter_context(running(process))
            addresses.append(address)
        task_id = requests.post(f"{addresses[0]}/longtask", timeout=10).json()["task_id"]
        pool = stack.enter_context(ThreadPoolExecutor(8))
        for _ in range(10):
            headers = {"Authorization": f"Bearer {token(task_id, **ONCE)}"}
            begin = threading.Barrier(8)

            def ask(address: str, headers: Any = headers, begin: Any = begin) -> int:
                begin.wait()
                return requests.get(
                    f"{address}/status/{task_id}", headers=headers, timeout=20
                ).status_code

            assert sorted(pool.map(ask, addresses * 4)) == [200] + [404] * 7

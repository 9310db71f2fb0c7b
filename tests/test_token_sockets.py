"""A socket whose client shows a token at its connect, and one that `visible` lets see tasks
without an owner.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import socketio

from headway import token
from headway.store.model import Sent
from headway.store.records import Records
from headway.web.requests.viewers import CONNECT_TOKEN, TOKEN_COOKIE, Viewer, viewer_of
from tests.browser import OrderedClient
from tests.processes import wait_for

SECRET = "a secret for the tests"
MINE = "7f3a1c52-mine"
THEIRS = "7f3a1c52-theirs"


@pytest.fixture(autouse=True)
def two_tasks(shared_records: Records) -> None:
    for task_id, owner in ((MINE, "ada"), (THEIRS, "bob")):
        shared_records.forget(task_id)
        shared_records.starts.enqueue(
            task_id, Sent("long_task", "", owner, "celery", "+60000000", "", 4)
        )


@pytest.fixture
def connect(web_address: str) -> Iterator[Any]:
    clients: list[OrderedClient] = []

    def connect(**options: Any) -> OrderedClient:
        client = OrderedClient(reconnection=False)
        clients.append(client)
        url = web_address + options.pop("path", "")
        client.connect(url, transports=["websocket"], wait_timeout=20, **options)
        return client

    yield connect
    for client in clients:
        client.close()


def ways(text: str) -> list[dict[str, Any]]:
    return [
        {"auth": {"token": text}},
        {"headers": {"Authorization": f"Bearer {text}"}},
        {"path": f"/?token={text}"},
    ]


def seen(answer: dict[str, Any]) -> list[str]:
    return [one["task_id"] for one in answer["snapshots"]]


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("grant", [{"task_ids": [MINE]}, {"owner": "ada"}])
def test_it_watches_what_its_token_opens(
    connect: Any, shared_records: Records, grant: dict[str, Any], way: int
):
    client = connect(**ways(token(**grant, secret_key=SECRET))[way])
    pushed: list[dict[str, Any]] = []
    client.on("snapshot", pushed.append)

    watched = client.call("watch", {"task_ids": [MINE, THEIRS]}, timeout=20)
    mine = client.call("watch_mine", {}, timeout=20)
    shared_records.cancel(MINE)
    shared_records.cancel(THEIRS)

    assert (seen(watched), watched["missing"], seen(mine)) == ([MINE], [THEIRS], [MINE])
    wait_for(lambda: [one for one in pushed if one["phase"] == "cancelled"])
    assert {one["task_id"] for one in pushed} == {MINE}


BAD: dict[str, Any] = {
    "unsigned": {"token": "hwt_x.y"},
    "signed by another": {"token": token(MINE, secret_key="another secret")},
    "a number": {"token": 7},
    "an object": {"token": {"a": 1}},
    "another key": {"other": 1},
    "a list": [1],
    "a text": "text",
}


@pytest.mark.parametrize("auth", BAD.values(), ids=BAD)
def test_a_bad_one_is_none_at_all(connect: Any, auth: Any):
    client = connect(auth=auth)

    assert client.call("watch", {"task_ids": [MINE]}, timeout=20)["missing"] == [MINE]
    mine = client.call("watch_mine", {}, timeout=20)
    assert mine["snapshots"] == []
    assert set(mine["counts"].values()) == {0}


def test_a_cookie_of_any_bytes_is_none(app: Any):
    environ = {"HTTP_COOKIE": f"{TOKEN_COOKIE}=\xff"}

    assert viewer_of(app, environ, "ada") == Viewer("ada")


def test_one_that_ends_while_its_socket_is_open(app: Any, monkeypatch: pytest.MonkeyPatch):
    environ = {CONNECT_TOKEN: token(MINE, expires=60, secret_key=SECRET)}
    assert viewer_of(app, environ, None).grant is not None

    later = time.time() + 61
    monkeypatch.setattr("headway.tokens.time.time", lambda: later)

    assert viewer_of(app, environ, None) == Viewer(None, token_has_ended=True)


def test_the_connect_that_is_replaced_is_the_one_that_a_server_calls():
    names = socketio.Server._handle_eio_message.__code__.co_names

    assert "_handle_connect" in names

"""A socket whose token is revoked, or ends, while it watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from headway import token
from headway.push.revocations import GRANT, Revocations
from headway.revoking import revoke_from
from headway.store.model import Sent
from headway.store.records import Records
from headway.tokens import read_token
from tests.browser import OrderedClient
from tests.processes import wait_for

SECRET = "a secret for the tests"
MINE = "7f3a1c52-mine"
OTHER = "7f3a1c52-other"
STOPS_SECONDS = 5.0


@pytest.fixture(autouse=True)
def two_tasks(shared_records: Records) -> None:
    for task_id in (MINE, OTHER):
        shared_records.forget(task_id)
        shared_records.starts.enqueue(
            task_id, Sent("long_task", "", "ada", "celery", "+60000000", "", 4)
        )


@pytest.fixture
def connect(web_address: str) -> Iterator[Callable[[str], OrderedClient]]:
    clients: list[OrderedClient] = []

    def connect(text: str) -> OrderedClient:
        client = OrderedClient(reconnection=False)
        clients.append(client)
        client.connect(web_address, auth={"token": text}, transports=["websocket"], wait_timeout=20)
        return client

    yield connect
    for client in clients:
        client.close()


def seen(client: OrderedClient, event: str = "watch") -> list[str]:
    payload = {"task_ids": [MINE, OTHER]} if event == "watch" else {}
    return [one["task_id"] for one in client.call(event, payload, timeout=20)["snapshots"]]


REVOKED: dict[str, tuple[dict[str, Any], Callable[[Records, str], None]]] = {
    "by itself": (
        {"task_ids": [MINE]},
        lambda records, text: revoke_from(records, SECRET, text),
    ),
    "with all of its task": (
        {"task_ids": [MINE, OTHER]},
        lambda records, _: records.tokens.revoke_all(f"task:{MINE}"),
    ),
    "with all of its owner": (
        {"owner": "ada"},
        lambda records, _: records.tokens.revoke_all("owner:ada"),
    ),
    "while its process heard nothing": (
        {"owner": "ada"},
        lambda records, text: revoke_unheard(records, text),
    ),
}


def revoke_unheard(records: Records, text: str) -> None:
    grant = read_token(text, [SECRET])
    assert grant is not None
    records.client.set(records.keys.revoked("owner:ada", grant.token_id), 0, px=60_000)
    records.client.execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")


@pytest.mark.parametrize("how", REVOKED)
def test_it_stops_at_once_and_its_client_gets_nothing_when_it_asks_again(
    connect: Callable[[str], OrderedClient], shared_records: Records, how: str
):
    grant, revoke = REVOKED[how]
    text = token(**grant, secret_key=SECRET)
    other = connect(token([MINE], secret_key="another secret"))
    client = connect(text)
    assert MINE in seen(client)
    assert MINE in seen(client, "watch_mine")

    revoke(shared_records, text)

    wait_for(lambda: not client.connected, STOPS_SECONDS)
    assert other.connected
    again = connect(text)
    assert MINE not in seen(again)
    assert MINE not in seen(again, "watch_mine")
    pushed: list[dict[str, Any]] = []
    again.on("snapshot", pushed.append)
    shared_records.cancel(MINE)
    shared_records.cancel(OTHER)
    seen(again)  # what was pushed before its answer has arrived
    assert MINE not in {one["task_id"] for one in pushed}


def test_other_tokens_of_the_task_go_on(
    connect: Callable[[str], OrderedClient], shared_records: Records
):
    texts = [token(MINE, secret_key=SECRET) for _ in range(2)]
    first, second = map(connect, texts)
    assert seen(first) == seen(second) == [MINE]

    revoke_from(shared_records, SECRET, texts[0])

    wait_for(lambda: not first.connected, STOPS_SECONDS)
    assert second.connected


class Manager:
    """What the revocations ask of a web process's manager."""

    def __init__(self, records: Records, grants: dict[str, Any]) -> None:
        self.records = records
        self.channel_of = records.keys.channel
        self.subscriber = SimpleNamespace(session=0)
        self.ended: list[str] = []
        environ = {eio_sid: {GRANT: grant} for eio_sid, grant in grants.items()} | {"none": {}}
        eio = SimpleNamespace(end=lambda _, eio_sids: self.ended.extend(eio_sids))
        self.server = SimpleNamespace(environ=environ, eio=eio)


def test_sockets_whose_token_has_ended_are_ended(
    shared_records: Records, monkeypatch: pytest.MonkeyPatch
):
    grants = {
        name: read_token(token(MINE, expires=seconds, secret_key=SECRET), [SECRET])
        for name, seconds in (("soon", 60), ("later", 120))
    }
    manager = Manager(shared_records, grants)
    revocations = Revocations(manager)

    revocations.check()
    assert manager.ended == []
    now = time.time()
    monkeypatch.setattr("headway.push.revocations.time.time", lambda: now + 61)
    revocations.check()

    assert manager.ended == ["soon"]


@pytest.mark.parametrize(
    ("subject", "ended"),
    [(f"task:{MINE}", ["mine", "both"]), (f"task:{OTHER}", ["both"]), ("owner:ada", ["ada's"])],
)
def test_only_sockets_whose_token_opens_what_was_revoked_are_ended(
    shared_records: Records, subject: str, ended: list[str]
):
    opened: dict[str, dict[str, Any]] = {
        "mine": {"task_ids": MINE},
        "both": {"task_ids": [MINE, OTHER]},
        "ada's": {"owner": "ada"},
    }
    manager = Manager(
        shared_records,
        {
            name: read_token(token(**what, secret_key=SECRET), [SECRET])
            for name, what in opened.items()
        },
    )

    Revocations(manager).receive(f"{time.time() * 1e6:.0f} * {subject}".encode())

    assert manager.ended == ended


@pytest.mark.parametrize("message", [b"", b"x y z", b"1 2", b"\xff \xff \xff", b"9" * 99])
def test_what_nobody_means_ends_nothing(shared_records: Records, message: bytes):
    manager = Manager(shared_records, {"one": read_token(token(MINE, secret_key=SECRET), [SECRET])})

    Revocations(manager).receive(message)

    assert manager.ended == []

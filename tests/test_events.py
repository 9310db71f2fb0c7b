"""The socket's events, over real websockets to a real web process, with a real worker behind it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
from flask import Flask
from flask_socketio import SocketIO
from werkzeug.test import create_environ

from headway.state import state_of
from headway.store.connection import connect
from headway.store.model import TaskRecord
from headway.store.records import Records
from headway.web.handlers import SocketHandlers
from tests.browser import Visitor
from tests.by_hand import HERE, SERVER_KEYS, hand_task, write
from tests.processes import Process, Valkey, running, wait_for, web, worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey-events"))
    yield valkey
    valkey.stop()


@pytest.fixture(scope="module")
def settings(server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "REDIS_URL": server.url,
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "a secret for the tests",
        "LONG_TASK_STEPS": "10",
        "LONG_TASK_STEP_SECONDS": "0.02",
    }


@pytest.fixture(scope="module")
def process(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Process, str]]:
    process, address = web(tmp_path_factory.mktemp("web"), settings)
    with running(process):
        yield process, address


@pytest.fixture(scope="module")
def address(process: tuple[Process, str]) -> str:
    return process[1]


@pytest.fixture(scope="module")
def working(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    with running(worker(tmp_path_factory.mktemp("worker"), settings, "celery")) as process:
        yield process


@pytest.fixture
def visitor(address: str) -> Visitor:
    return Visitor(address).connect()


@pytest.fixture
def records(server: Valkey) -> Records:
    return Records(connect(server.url), 7)


def test_a_watched_task_is_pushed_in_order_to_its_end(visitor: Visitor, working: Process):
    task_id = visitor.start()

    ack = visitor.call("watch", {"task_ids": [task_id]})

    assert [snapshot["task_id"] for snapshot in ack["snapshots"]] == [task_id]
    assert (ack["missing"], ack["logs"]) == ([], {})
    assert visitor.wait_for_end(task_id) == visitor.status(task_id)
    versions = [snapshot["version"] for snapshot in visitor.pushed(task_id)]
    assert versions == sorted(set(versions))
    steps = [
        snapshot["current"]
        for snapshot in visitor.pushed(task_id)
        if snapshot["phase"] == "running"
    ]
    assert len(steps) > 2
    assert set(steps) <= set(range(10))


def test_all_that_an_owner_starts_arrives_once_each_even_when_watched_too(
    visitor: Visitor, working: Process
):
    old = visitor.start()
    ack = visitor.call("watch_mine", {})
    assert old in [snapshot["task_id"] for snapshot in ack["snapshots"]]

    new = visitor.start()
    visitor.call("watch", {"task_ids": [new, old]})

    for task_id in (old, new):
        visitor.wait_for_end(task_id)
        versions = [snapshot["version"] for snapshot in visitor.pushed(task_id)]
        assert versions == sorted(set(versions))


def test_a_second_tab_and_a_second_process_see_the_same(
    visitor: Visitor, working: Process, settings: dict[str, str], tmp_path: Path
):
    other, address = web(tmp_path, settings)
    with running(other):
        tab = Visitor(address, visitor.http.cookies).connect()
        tab.call("watch_mine", {})
        visitor.call("watch_mine", {})

        task_id = visitor.start()

        assert visitor.wait_for_end(task_id) == tab.wait_for_end(task_id) == tab.status(task_id)
        tab.close()


def test_a_stranger_gets_nothing(visitor: Visitor, address: str, records: Records):
    task_id = hand_task(records, visitor)
    stranger = Visitor(address).connect()

    ack = stranger.call("watch", {"task_ids": [task_id, "7f0b2a3e-0000-4000-8000-000000000000"]})
    mine = stranger.call("watch_mine", {})
    visitor.call("watch", {"task_ids": [task_id]})
    write(records, task_id, 5)

    assert ack == {
        "snapshots": [],
        "logs": {},
        "streams": {},
        "missing": [task_id, "7f0b2a3e-0000-4000-8000-000000000000"],
    }
    assert mine["snapshots"] == []
    wait_for(lambda: visitor.pushed(task_id))
    stranger.call("watch_mine", {})  # a round trip after the push: whatever was sent has arrived
    assert stranger.snapshots == []


def test_after_unwatch_nothing_more_arrives(visitor: Visitor, records: Records, server: Valkey):
    task_id = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [task_id]})

    assert visitor.call("unwatch", {"task_ids": [task_id]}) == {}
    wait_for(lambda: not records.client.pubsub_numsub(f"flask-socketio:task:{task_id}")[0][1])
    write(records, task_id, 5)
    ack = visitor.call("watch", {"task_ids": [task_id]})

    assert ack["snapshots"][0]["current"] == 5
    write(records, task_id, 6)
    wait_for(lambda: visitor.pushed(task_id))
    assert [snapshot["current"] for snapshot in visitor.pushed(task_id)] == [6]


def test_nothing_is_lost_between_the_answer_and_the_first_push(visitor: Visitor, records: Records):
    for _ in range(20):
        task_id = hand_task(records, visitor)
        acks: list[dict] = []
        visitor.socket.emit("watch", {"task_ids": [task_id]}, callback=acks.append)

        current = 0
        while not acks:
            current += 1
            write(records, task_id, current)
        write(records, task_id, current + 1)

        wait_for(
            lambda t=task_id, c=current: (
                visitor.pushed(t) and visitor.pushed(t)[-1]["current"] == c + 1
            )
        )
        pushed = [snapshot["current"] for snapshot in visitor.pushed(task_id)]
        # not each one: the newest takes the place of what waits
        assert pushed == sorted(set(pushed))
        visitor.call("unwatch", {"task_ids": [task_id]})


def test_a_log_is_given_from_where_the_reader_stands_and_then_pushed(
    visitor: Visitor, records: Records
):
    task_id = hand_task(records, visitor)
    for number in range(3):
        records.output.log(task_id, HERE, [("INFO", f"line {number + 1}")])

    ack = visitor.call("watch", {"task_ids": [task_id], "after": {task_id: 1}})
    records.output.log(task_id, HERE, [("WARNING", "line 4")])

    assert [line["text"] for line in ack["logs"][task_id]["lines"]] == ["line 2", "line 3"]
    wait_for(lambda: visitor.logs)
    assert visitor.logs[0]["task_id"] == task_id
    assert [(line["seq"], line["level"]) for line in visitor.logs[0]["lines"]] == [(4, "WARNING")]
    tail = visitor.http.get(
        f"{visitor.address}/tasks/{task_id}/log", params={"after": 2}, timeout=20
    ).json()
    assert [line["seq"] for line in tail["lines"]] == [3, 4]


def test_of_long_logs_each_watched_task_is_given_its_newest_lines(
    visitor: Visitor, records: Records
):
    some = [hand_task(records, visitor) for _ in range(4)]
    for task_id in some:
        records.output.log(task_id, HERE, [("INFO", "x" * 4000)] * 300)
        records.output.log(task_id, HERE, [("INFO", "the last one")])

    logs = visitor.call("watch", {"task_ids": some, "after": dict.fromkeys(some, 0)})["logs"]

    assert {page["lines"][-1]["text"] for page in logs.values()} == {"the last one"}
    lines = [line for page in logs.values() for line in page["lines"]]
    assert len(json.dumps(lines, separators=(",", ":"))) < 128 * 1024
    assert {page["last_seq"] for page in logs.values()} == {301}
    assert all(len(page["lines"]) > 5 for page in logs.values())


def test_a_new_socket_is_told_how_the_server_fares(visitor: Visitor):
    state = wait_for(lambda: visitor.servers)[0]

    assert state.keys() == SERVER_KEYS
    assert state["live"] is True


@pytest.mark.parametrize("event", ["watch", "unwatch", "watch_mine"])
@pytest.mark.parametrize("payload", [None, "x", 5, [], [["a"]], True])
def test_a_payload_that_is_no_object_is_acknowledged_with_an_error(
    visitor: Visitor, event: str, payload: object
):
    assert visitor.call(event, payload)["error"]["code"] == "bad_payload"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"task_ids": "x"},
        {"task_ids": {"a": 1}},
        {"task_ids": ["x"] * 101},
        {"task_ids": [], "after": []},
        {"task_ids": [], "after": {"x": "1"}},
        {"task_ids": [], "after": {"x": -1}},
        {"task_ids": [], "after": {"x": True}},
    ],
)
def test_a_payload_of_the_wrong_form_is_an_error(visitor: Visitor, payload: object):
    assert visitor.call("watch", payload)["error"]["message"]


def test_ids_that_are_no_ids_are_missing_like_unknown_ones(visitor: Visitor):
    ids = ["", "*", "/", "x" * 10_000, "task:1", "\x00", "a\r\nb", visitor.socket.get_sid()]

    ack = visitor.call("watch", {"task_ids": [*ids, None, 5, ["x"], {}]})

    assert ack["snapshots"] == []
    assert set(ids) <= set(ack["missing"])
    assert visitor.call("watch_mine", {})["snapshots"] == []


def test_what_clients_send_is_relayed_to_nobody(visitor: Visitor, address: str, records: Records):
    task_id = hand_task(records, visitor)
    tab = Visitor(address, visitor.http.cookies).connect()
    for one in (visitor, tab):
        one.call("watch", {"task_ids": [task_id]})

    for event in ("snapshot", "log", "server", "message", "join", f"task:{task_id}"):
        tab.socket.emit(event, {"task_id": task_id, "version": 10**17})
    tab.call("watch_mine", {})
    visitor.call("watch_mine", {})

    assert visitor.snapshots == tab.snapshots == []
    assert visitor.others == tab.others == []


def test_a_flood_closes_its_socket_and_nobody_elses(visitor: Visitor, address: str):
    flooder = Visitor(address).connect()

    def flood() -> None:
        while True:
            flooder.socket.emit("watch_mine", {})

    with pytest.raises(socketio.exceptions.BadNamespaceError):
        # the client's word for "no longer connected"
        flood()

    assert visitor.call("watch_mine", {})["snapshots"] == []


def test_an_oversized_message_closes_its_socket_and_nobody_elses(visitor: Visitor, address: str):
    loud = Visitor(address).connect()

    loud.socket.emit("watch", {"task_ids": ["x" * 100_000]})

    wait_for(lambda: not loud.socket.connected)
    assert visitor.call("watch_mine", {})["snapshots"] == []


def test_only_websockets_are_served(address: str):
    polling = requests.get(
        f"{address}/socket.io/", params={"EIO": "4", "transport": "polling"}, timeout=20
    )

    assert polling.status_code == 400


@pytest.mark.parametrize(
    ("origin", "headers", "welcome"),
    [
        ("", {}, True),
        ("SELF", {}, True),
        ("SELF", {"Sec-Fetch-Site": "same-origin"}, True),
        ("http://evil.example", {}, False),
        ("null", {}, False),
        ("http://127.0.0.1:1", {}, False),
        ("SELF", {"Sec-Fetch-Site": "cross-site"}, False),
        ("http://evil.example", {"X-Forwarded-Host": "evil.example"}, False),
    ],
)
def test_sockets_of_other_sites_are_refused(
    address: str, origin: str, headers: dict[str, str], welcome: bool
):
    visitor = Visitor(address)
    origin = address if origin == "SELF" else origin

    if welcome:
        visitor.connect(origin, **headers)
        assert "snapshots" in visitor.call("watch_mine", {})
        visitor.close()
    else:
        with pytest.raises(socketio.exceptions.ConnectionError):
            visitor.connect(origin, **headers)


def test_a_plain_emit_from_any_process_still_arrives(
    visitor: Visitor, records: Records, server: Valkey
):
    task_id = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [task_id]})

    SocketIO(message_queue=server.url).emit("hello", {"from": "elsewhere"}, to=f"task:{task_id}")

    wait_for(lambda: visitor.others)
    assert visitor.others == [("hello", {"from": "elsewhere"})]


def test_a_process_hears_only_what_its_viewers_watch(visitor: Visitor, records: Records):
    watched = hand_task(records, visitor)
    other = hand_task(records, visitor)

    visitor.call("watch", {"task_ids": [watched]})

    channels = [f"flask-socketio:task:{task_id}" for task_id in (watched, other)]
    assert [count for _, count in records.client.pubsub_numsub(*channels)] == [1, 0]
    visitor.close()
    wait_for(lambda: not records.client.pubsub_numsub(channels[0])[0][1])


class Rooms:
    """The fan-out as `watch` sees it, and in which order it is asked what."""

    def __init__(self, heard: set[str], news: set[str], steps: list[str]) -> None:
        self.reader = self.server = self
        self._heard = heard
        self._news = news
        self._steps = steps

    def get_environ(self, sid: str) -> dict[str, Any]:
        return create_environ()

    def enter_room(self, sid: str, namespace: str, name: str) -> None:
        self._steps.append(f"join {name}")

    def read(self, task_ids: list[str], **_: Sequence[str]) -> list[TaskRecord | None]:
        self._steps.append(f"read {' '.join(task_ids)}")
        return [TaskRecord("ada", "1", f'{{"task_id":"{task_id}"}}') for task_id in task_ids]

    def subscriptions(self, task_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Another subscription than before, with "again", once something was read."""
        number = 2 if "again" in self._heard and self._steps else 1
        return {task_id: (1, number) for task_id in self._heard.intersection(task_ids)}

    def has_news(self, task_id: str, stored: TaskRecord) -> bool:
        return task_id in self._news

    def confirm(self, rooms: Iterable[str]) -> None:
        self._steps.append(f"confirm {' '.join(rooms)}")


@pytest.mark.parametrize(
    ("heard", "news", "again"),
    [
        (
            {"a", "b"},
            set(),
            [],
        ),  # all that is published since reaches this process, and nothing has been
        ({"a"}, set(), ["confirm task:b", "read b"]),
        # The last other viewer has left meanwhile, and with it the subscription.
        ({"a", "b", "again"}, set(), ["confirm task:a task:b", "read a b"]),
        ({"a", "b"}, {"a"}, ["confirm task:a", "read a"]),
        (set(), set(), ["confirm task:a task:b", "read a b"]),
    ],
)
def test_what_may_have_been_missed_is_read_again_after_joining(
    app: Flask, monkeypatch: pytest.MonkeyPatch, heard: set[str], news: set[str], again: list[str]
):
    steps: list[str] = []
    manager: Any = Rooms(heard, news, steps)
    monkeypatch.setitem(app.extensions, "headway", replace(state_of(app), manager=manager))
    app.config["HEADWAY_OWNER_LOADER"] = lambda: "ada"

    answer = SocketHandlers(app).watch("sid", {"task_ids": ["a", "b"]})

    assert steps == ["read a b", "join task:a", "join task:b", *again]
    assert [snapshot["task_id"] for snapshot in answer["snapshots"]] == ["a", "b"]
    assert answer["missing"] == []

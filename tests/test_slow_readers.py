"""Clients that do not take what they are sent, over real sockets: what waits, what is dropped,
who is cut off.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.engine.events import Event
from headway.engine.frames import PING, PONG
from headway.engine.sending import MAX_BACKLOG_BYTES
from tests.processes import wait_for
from tests.websockets import UNLIKE_ENGINES, Client, Server, masked, serving

SMALL_BUFFER = 4096


@pytest.fixture(scope="module", params=UNLIKE_ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # However slow the machine is, nobody here is cut off for what only a test of its own is about.
    patience = {"STALL_SECONDS": 300.0}
    with serving(
        tmp_path_factory.mktemp("engine"), engine, constants=patience, ping_interval=300
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client.join()


@pytest.fixture
def slow(server: Server) -> Iterator[Client]:
    """A client that reads nothing for now, and whose kernel takes little for it."""
    with Client(server, SMALL_BUFFER) as client:
        yield client.join()


def fill(server: Server) -> None:
    """Push until somebody does not take it."""
    wait_for(lambda: server.push(*[("2" + "f" * 4000, "filling")] * 10)["waiting"])


def test_who_reads_slowly_gets_the_newest_of_each_key(server: Server, client: Client, slow: Client):
    fill(server)

    server.push(
        *[(f"2{key}{version:05}", key) for version in range(1000) for key in ("a", "b", "c")]
    )
    server.push(("2end", None))

    texts = [text for text in slow.texts_until("42end") if text[2] != "f"]
    assert texts == ["42a00999", "42b00999", "42c00999", "42end"]
    assert len(client.texts_until("42end")) > 3000  # who reads gets all


def test_what_a_slow_reader_gets_is_whole_and_in_order(server: Server, slow: Client):
    sent = [f"2{key}{version:05}" + "x" * 3000 for version in range(200) for key in "ab"]
    server.push(*[(text, text[1]) for text in sent])
    server.push(("2end", None))

    texts = slow.texts_until("42end")[:-1]

    for key in "ab":
        versions = [text for text in texts if text[2] == key]
        assert versions == sorted(set(versions))
        assert versions[-1] == f"42{key}00199" + "x" * 3000
    assert len(texts) < 300
    server.push(("2again", "a"))
    assert slow.text() == "42again"


def test_of_log_lines_a_slow_reader_misses_the_oldest_and_sees_the_gap(
    server: Server, slow: Client
):
    fill(server)

    waiting = server.push(*[(f"2{seq:05}" + "x" * 1000, Event.LINES) for seq in range(1, 1001)])[
        "waiting"
    ]

    assert max(waiting) < 100_000
    texts = [text for text in slow.texts_until("4201000" + "x" * 1000) if text[2] != "f"]
    lines = [int(text[2:7]) for text in texts]
    assert lines == list(range(lines[0], 1001))
    assert 900 < lines[0] < 960


def test_answers_to_a_slow_reader_are_all_kept_in_order(server: Server, slow: Client):
    fill(server)
    for number in range(20):
        slow.say(f'42{number}["echo",{number}]')
        wait_for(lambda n=number: server.do()["handled"][-1:] == [n])
        server.push(("2a", "a"))

    answers = []
    while len(answers) < 20:
        if (text := slow.text()).startswith("43"):
            answers.append(json.loads(text[text.index("[") :])[0])
    assert answers == list(range(20))


def test_who_takes_nothing_is_dropped_and_nobody_else(engine: str, tmp_path: Path):
    with (
        serving(tmp_path, engine, constants={"STALL_SECONDS": 1.0}) as server,
        Client(server) as client,
        Client(server, SMALL_BUFFER) as slow,
    ):
        client.join()
        slow.join()
        tasks = server.tasks
        fill(server)

        def live() -> None:
            while True:
                slow.say("3")
                assert server.push(("2a", "a"))["sockets"] > 0

        with pytest.raises(ConnectionError):
            live()
        drain(client)
        assert client.call("echo", 1) == 1
        assert server.do()["sockets"] == 1
        wait_for(lambda: server.tasks <= tasks)


def drain(client: Client) -> None:
    """Read all that has come."""
    client.write(masked(b"x", PING))
    while client.read() != (PONG, b"x"):
        pass


def test_who_takes_a_little_is_not_dropped(engine: str, tmp_path: Path):
    with (
        serving(tmp_path, engine, constants={"STALL_SECONDS": 2.0}) as server,
        Client(server, SMALL_BUFFER) as slow,
    ):
        slow.join()
        fill(server)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            slow.read()  # of a hundred frames that lie in the kernel already
            time.sleep(0.2)

        assert server.do()["sockets"] == 1


def test_what_waits_for_one_client_is_bounded(server: Server):
    with Client(server, SMALL_BUFFER) as slow:
        slow.join()
        sockets = server.do()["sockets"]
        fill(server)
        most = 0
        for n in range(200):
            found = server.push(*[(f"2{n}-{i}" + "x" * 4000, f"{n}-{i}") for i in range(10)])
            most = max(most, *found["waiting"], 0)
            if found["sockets"] < sockets:
                break

        assert most <= MAX_BACKLOG_BYTES
        assert most > MAX_BACKLOG_BYTES / 2
        assert found["sockets"] == sockets - 1
        assert slow.is_cut()


def test_a_frame_larger_than_all_that_may_wait_is_sent_all_the_same(server: Server, client: Client):
    server.push(("2" + "x" * 3 * MAX_BACKLOG_BYTES, None))

    assert len(client.text()) == 3 * MAX_BACKLOG_BYTES + 2

"""Who asks for much waits for others: websockets by the size of their calls and answers, requests
one at a time.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from headway import lanes
from headway.engine.shares import BURST_BYTES, BYTES_PER_SECOND, Shares
from headway.lanes import BURST, INTERVAL_SECONDS, Lanes
from headway.state import state_of
from tests.processes import wait_for
from tests.websockets import LEAN_ENGINES, Client, masked, serving

SMALL_BUFFER = 4096
LARGE = "x" * 15_000


class Clock:
    """A time that stands still but for those who sleep."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("headway.engine.shares.time", clock)
    monkeypatch.setattr("headway.lanes.time", clock)
    return clock


def test_a_share_is_used_up_by_bytes_and_comes_back_with_time(clock: Clock):
    share = Shares().of("owner:ada")

    share.spend(BURST_BYTES)
    assert not share.is_used_up
    share.spend(BYTES_PER_SECOND)
    assert share.is_used_up
    clock.sleep(1.0)
    assert not share.is_used_up


def test_the_websockets_of_a_client_have_one_share_and_strangers_their_own():
    shares = Shares()

    ada = shares.of("owner:ada")

    assert shares.of("owner:ada") is ada
    assert shares.of("owner:bob") is not ada
    assert shares.of("") is not shares.of("")


@pytest.mark.parametrize("engine", LEAN_ENGINES)
def test_a_client_that_reads_no_answers_is_asked_for_no_more_and_misses_none(
    engine: str, tmp_path: Path
):
    calls = [masked(f'42{n}["echo","{n}{LARGE}"]'.encode()) for n in range(40)]
    with serving(tmp_path, engine) as server, Client(server, SMALL_BUFFER).join() as client:
        writer = threading.Thread(target=lambda: [client.write(call) for call in calls])
        writer.start()
        wait_for(lambda: server.do()["waiting"])

        # All of the answers are more than one client may leave waiting.
        waiting = server.do()["waiting"]
        answers = [client.answer(n) for n in range(40)]
        writer.join()

    assert sum(waiting) < 3 * len(LARGE)
    assert answers == [f"{n}{LARGE}" for n in range(40)]


@pytest.mark.parametrize("engine", LEAN_ENGINES)
def test_the_calls_of_a_greedy_client_are_handled_one_at_a_time(engine: str, tmp_path: Path):
    with serving(tmp_path, engine) as server:
        ada, again, bob = (Client(server) for _ in range(3))
        for client, name in ((ada, "ada"), (again, "ada"), (bob, "bob")):
            assert client.ask(X_Client=name).startswith(b"HTTP/1.1 101 ")
            client.text()
            client.say("40")
            client.text()
        for _ in range(6):
            ada.call("echo", LARGE)

        ada.say('427["hold",1]')
        wait_for(lambda: ada_holds(server))
        again.say('428["echo","waits"]')
        assert bob.call("echo", "is served") == "is served"
        assert "waits" not in server.do()["handled"]
        server.do("release")

        assert again.answer(8) == "waits"
        for client in (ada, again, bob):
            client.__exit__()


def ada_holds(server: Any) -> bool:
    return bool(server.do("holding"))


def test_a_burst_of_costly_requests_is_served_at_once_and_more_in_turn(clock: Clock):
    lane = Lanes().of("ada")
    begun = clock.now

    for _ in range(BURST + 4):
        assert lane.enter()
        lane.leave()

    assert clock.now - begun == pytest.approx(3 * INTERVAL_SECONDS)


@pytest.mark.parametrize("path", ["/tasks", "/status?task_id=x", "/"])
def test_a_visitor_has_one_costly_request_under_way(
    app: Any, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setattr(lanes, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(state_of(app).limits, "are_on", True)
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    lane = state_of(app).limits.lanes.of("127.0.0.1")

    assert app.test_client().get(path).status_code == 200
    assert lane.enter()  # as another request of this address that is under way
    refused = app.test_client().get(path)
    others = app.test_client().get(path, environ_base=elsewhere)
    lane.leave()

    assert refused.status_code == 429
    assert others.status_code == 200
    assert app.test_client().get(path).status_code == 200

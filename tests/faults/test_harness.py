"""The suite itself: it must see what is wrong, and break what it says."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from tests.faults import chaos
from tests.faults.invariants import History
from tests.faults.proxy import Proxy
from tests.faults.report import Row, table
from tests.faults.system import CLOCK
from tests.faults.watch import shows

STATES = {
    "queued": "PENDING",
    "retrying": "PENDING",
    "running": "PROGRESS",
    "succeeded": "SUCCESS",
    "failed": "FAILURE",
}


def snapshot(
    version: int, phase: str, current: float = 0, total: float = 1, **changes: Any
) -> dict[str, Any]:
    numbers = {
        "version": version,
        "current": current,
        "total": total,
        "attempt": int(phase != "queued"),
    }
    words = {
        "task_id": "t",
        "phase": phase,
        "state": STATES[phase],
        "error": None,
        "queue_position": None,
    }
    return {**numbers, **words, **changes}


def violations(*seen: dict[str, Any], endpoint: str = "push") -> list[str]:
    history = History()
    for one in seen:
        history.see("ada", endpoint, "socket", one)
    return history.violations()


class Page:
    """A page that shows no task of these."""

    owner = "ada"

    def __init__(self, *, full: bool) -> None:
        self._full = full

    def version(self, task_id: str) -> int | None:
        return None

    def ended(self, task_id: str) -> bool:
        return False

    def live(self) -> bool:
        return True

    def is_full(self) -> bool:
        return self._full


@pytest.mark.parametrize(
    ("phase", "full", "right"),
    [
        ("succeeded", True, True),
        ("succeeded", False, False),
        ("running", True, False),
    ],
)
def test_a_full_page_alone_may_lack_a_task_and_only_one_that_has_ended(
    phase: str, full: bool, right: bool
):
    assert shows(Page(full=full), "t", snapshot(1, phase), newest=9) is right


def test_an_honest_history_passes():
    history = [
        snapshot(1, "queued"),
        snapshot(2, "running", 1, 4),
        snapshot(3, "running", 3, 4),
        snapshot(4, "queued", attempt=1),  # its worker was lost
        snapshot(5, "running", 0, 4, attempt=2),
        snapshot(6, "succeeded", 4, 4, attempt=2),
    ]

    assert violations(*history) == []


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("several ends", [snapshot(1, "succeeded", 1), snapshot(2, "failed")]),
        ("was final, then", [snapshot(1, "succeeded", 1), snapshot(2, "running")]),
        ("came after", [snapshot(2, "running"), snapshot(1, "queued")]),
        ("came after", [snapshot(1, "running"), snapshot(1, "running")]),
        (
            "the attempt fell",
            [snapshot(1, "running", attempt=2), snapshot(2, "running", attempt=1)],
        ),
        ("the bar went back", [snapshot(1, "running", 2, 4), snapshot(2, "running", 1, 4)]),
        ("not full", [snapshot(1, "succeeded", 1, 2)]),
        ("an error in", [snapshot(1, "running", error={"type": "ValueError", "message": ""})]),
        ("no attempt in", [snapshot(1, "running", attempt=0)]),
        ("state PENDING in", [snapshot(1, "running", state="PENDING")]),
    ],
)
def test_each_breach_is_seen(words: str, seen: list[dict[str, Any]]):
    assert any(words in breach for breach in violations(*seen))


def test_two_truths_in_one_version_are_seen_whoever_sees_them():
    history = History()

    history.see("ada", "push", "one", snapshot(1, "running", status="Reading"))
    history.see("bob", "status", "", snapshot(1, "running", status="Writing"))

    assert ["two truths" in breach for breach in history.violations()] == [True]


def test_a_queue_that_moves_on_is_no_second_truth():
    waiting = [snapshot(1, "queued", queue_position=ahead) for ahead in (2, 1)]

    assert violations(*waiting, endpoint="ack") == []


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        ("100 %", [(1, "running", 100)]),
        ("after 2", [(2, "running", 1), (1, "running", 0)]),
        ("running after succeeded", [(1, "succeeded", 100), (2, "running", 1)]),
    ],
)
def test_what_a_page_must_not_draw_is_seen(words: str, drawn: list[tuple[int, str, float]]):
    history = History()

    for version, phase, bar in drawn:
        history.draw("t", version, phase, bar)

    assert any(words in breach for breach in history.violations())


@pytest.mark.parametrize(
    ("status", "seconds", "wrong"), [(500, 0.1, True), (503, 6, True), (503, 2, False)]
)
def test_an_answer_that_must_not_be_is_seen(status: int, seconds: float, wrong: bool):
    history = History()

    history.answer("GET /", status, seconds)

    assert bool(history.violations()) == wrong


def test_a_row_is_clean_only_when_nothing_is_wrong_and_pages_were_right_in_time():
    assert Row("web", 1, right_after=5.0).clean
    for wrong in (
        {"lost": 1},
        {"doubled": 1},
        {"wrong": 1},
        {"right_after": 5.1},
        {"right_after": float("inf")},
    ):
        assert not Row("web", 1, **wrong).clean
    assert "NOT CLEAN" in table([Row("web", 1, lost=1, evidence=["where it was lost"])])


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says what it hears; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        while data := connection.recv(1024):
            connection.sendall(data)


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def say(client: socket.socket, words: bytes) -> bytes:
    client.sendall(words)
    return client.recv(1024)


def test_a_proxy_forwards(echo: int):
    with Proxy(echo) as proxy, connect(proxy) as client:
        assert say(client, b"hello") == b"hello"


def test_a_cut_resets_what_is_open_and_what_comes_until_it_is_healed(echo: int):
    with Proxy(echo) as proxy, connect(proxy) as client:
        assert say(client, b"hello") == b"hello"

        proxy.cut()

        with pytest.raises(ConnectionError):
            assert client.recv(1024)
        with pytest.raises(ConnectionError), connect(proxy) as another:
            assert say(another, b"hello")
        proxy.heal()
        with connect(proxy) as third:
            assert say(third, b"hello") == b"hello"


def test_a_cut_of_websockets_spares_the_rest(echo: int):
    with Proxy(echo) as proxy, connect(proxy) as plain, connect(proxy) as upgraded:
        assert say(plain, b"GET / HTTP/1.1")
        assert say(upgraded, b"GET /socket.io/ HTTP/1.1")

        proxy.cut(websockets_only=True)

        with pytest.raises(ConnectionError):
            assert upgraded.recv(1024)
        assert say(plain, b"more") == b"more"
        with pytest.raises(ConnectionError), connect(proxy) as another:
            assert say(another, b"GET /socket.io/ HTTP/1.1")


def test_a_half_open_connection_stays_open_says_nothing_and_is_never_healed(echo: int):
    with Proxy(echo) as proxy, connect(proxy) as client:
        assert say(client, b"hello") == b"hello"

        proxy.swallow()
        proxy.heal()

        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            say(client, b"hello")
        with connect(proxy) as another:
            assert say(another, b"hello") == b"hello"


def test_a_half_open_connection_does_not_tell_that_its_other_end_is_gone():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Proxy(listener.getsockname()[1]) as proxy,
    ):
        client = connect(proxy)
        server, _ = listener.accept()
        with closing(server):
            proxy.swallow()
            client.close()

            server.settimeout(0.3)
            with pytest.raises(TimeoutError):
                server.recv(1024)


def test_a_process_with_a_wrong_clock_tells_the_wrong_time_everywhere_but_elapses_rightly():
    program = (
        "import time, datetime; print(time.time(), datetime.datetime.now().timestamp(), "
        "time.monotonic())"
    )
    env = {"PYTHONPATH": str(CLOCK), "CLOCK_AHEAD": "3600"}

    words = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    ).stdout

    wall, date, elapsed = map(float, words.split())
    assert abs(wall - 3600 - time.time()) < 30
    assert abs(date - 3600 - time.time()) < 30
    assert abs(elapsed - time.monotonic()) < 30


def test_a_seed_decides_the_whole_schedule():
    moves = chaos.schedule(7, 10)

    assert moves == chaos.schedule(7, 10)
    assert moves != chaos.schedule(8, 10)
    assert {move.what for move in chaos.schedule(7, 60)} == set(chaos.BREAKAGES)
    assert [move.at for move in moves] == sorted(move.at for move in moves)


def test_no_part_is_broken_twice_at_a_time():
    until: dict[str, float] = {}

    for move in chaos.schedule(3, 60):
        part = chaos.BREAKAGES[move.what].part
        assert move.at >= until.get(part, 0)
        until[part] = move.at + move.seconds

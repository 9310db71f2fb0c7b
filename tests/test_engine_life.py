"""The life of a websocket: pings and silence, ends, limits, idle ones, and the same in the
other modes.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headway.engine.frames import SERVICE_RESTART
from headway.engine.timers import PingScheduler
from tests.processes import wait_for
from tests.websockets import LEAN_ENGINES, UNLIKE_ENGINES, Client, Server, serving

SMALL_BUFFER = 4096


# Silence


class Noting:
    """A socket that notes when it is pinged."""

    def __init__(self, number: int, pinged: list[int]) -> None:
        self._number = number
        self._pinged = pinged

    def ping(self) -> None:
        self._pinged.append(self._number)

    def check_timeout(self) -> None: ...


def test_pings_are_spread_over_their_interval():
    pinged: list[int] = []
    pings = PingScheduler(interval=2, timeout=0.5)
    for number in range(4):  # one joins at each tick
        pings.join(Noting(number, pinged))  # type: ignore[arg-type]  # all that is used of a socket
        pings.tick()
    pinged.clear()

    seen = []
    for _ in range(4):
        pings.tick()
        seen.append(pinged[:])
        pinged.clear()

    assert seen == [[1], [2], [3], [0]]


@pytest.mark.parametrize("engine", UNLIKE_ENGINES)
def test_while_the_process_stands_still_nobody_is_given_up(engine: str, tmp_path: Path):
    with (
        serving(tmp_path, engine, ping_interval=1.0, ping_timeout=0.5) as server,
        Client(server) as client,
    ):
        client.join()
        assert client.text() == "2"
        server.process.popen.send_signal(19)
        client.say("3")
        time.sleep(2)
        server.process.popen.send_signal(18)

        for _ in range(3):
            assert client.text() == "2"
            client.say("3")


# Ends


@pytest.mark.parametrize("engine", LEAN_ENGINES)
def test_a_client_that_does_not_read_why_it_is_closed_is_not_waited_for(
    engine: str, tmp_path: Path
):
    with (
        serving(tmp_path, engine, constants={"LINGER_SECONDS": 0.5}) as server,
        Client(server) as client,
    ):
        client.join()
        server.do("end", SERVICE_RESTART)

        wait_for(lambda: not connections_of(server))


def connections_of(server: Server) -> list[str]:
    """The server's connections with clients, by the kernel's account."""
    end = f"0100007F:{server.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        line[2]
        for line in lines
        if line[1] == end and line[3] not in ("0A", "06") and line[9] != "0"
    ][1:]


@pytest.mark.parametrize("engine", LEAN_ENGINES)
def test_where_files_are_few_some_are_left_to_requests(engine: str, tmp_path: Path):
    spare = 200 if engine == "epoll-threading" else 40  # werkzeug opens a file for each request
    with serving(tmp_path, engine, constants={"SPARE_FILES": spare}, files=80 + spare) as server:
        clients = [Client(server) for _ in range(90)]
        heads = [client.ask() for client in clients]

        welcome = [head for head in heads if head.startswith(b"HTTP/1.1 101 ")]
        refused = [head for head in heads if head.startswith(b"HTTP/1.1 503 ")]
        assert 50 < len(welcome) < 80
        assert len(welcome) + len(refused) == 90
        assert server.do()["sockets"] == len(welcome)
        for client in clients:
            client.__exit__()
        wait_for(lambda: server.do()["sockets"] == 0)
        with Client(server) as client:
            assert client.join().call("echo", 1) == 1


@pytest.mark.parametrize("engine", LEAN_ENGINES)
def test_idle_websockets_cost_little_memory_and_no_task_each(engine: str, tmp_path: Path):
    with serving(tmp_path, engine, ping_interval=300) as server:  # nobody here answers pings
        clients = [Client(server).join() for _ in range(100)]
        tasks = server.tasks
        memory = server.memory

        clients += [Client(server).join() for _ in range(500)]

        assert server.do()["sockets"] == 600
        assert server.tasks <= tasks + 2
        assert (server.memory - memory) / 500 < 16_000
        assert [client.call("echo", n) for n, client in enumerate(clients)] == list(range(600))
        for client in clients:
            client.__exit__()
        wait_for(lambda: server.do()["sockets"] == 0, 10)

"""What Headway's own engine does beyond what `test_engines.py` asks of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headway.engine.frames import (
    CLOSE,
    CONTINUATION,
    FLOOD,
    NORMAL,
    PING,
    PROTOCOL_ERROR,
    TOO_BIG,
)
from tests.processes import wait_for
from tests.websockets import LEAN_ENGINES, Client, Server, masked, serving


@pytest.fixture(scope="module", params=LEAN_ENGINES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("engine"), request.param) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client.join()


def leaves_nothing(server: Server, sockets: int, tasks: int) -> None:
    """Wait until nothing is left of a client that has ended; both counts are from before its
    end.
    """
    wait_for(lambda: server.do()["sockets"] < sockets)
    wait_for(lambda: server.tasks <= tasks, message=f"more than {tasks} tasks, as before")


VIOLATIONS = {
    "not masked": (b"\x81\x02hi", PROTOCOL_ERROR),
    "too big, by its head": (b"\x81\xff" + (2**63).to_bytes(8, "big"), TOO_BIG),
    "a flood of messages": (b"".join([masked(b'42["echo",1]')] * 200), FLOOD),
    "a flood of nothing": (
        masked(b"", final=False) + masked(b"", CONTINUATION, final=False) * 200,
        FLOOD,
    ),
    "a flood of pings": (masked(b"", PING) * 200, FLOOD),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_what_a_client_must_not_send_closes_it_and_leaves_nothing(
    server: Server, client: Client, violation: str
):
    with Client(server) as other:
        other.join()
        sockets = server.do()["sockets"]
        tasks = server.tasks
        data, code = VIOLATIONS[violation]

        other.write(data)

        assert other.end() == code
        leaves_nothing(server, sockets, tasks)
    assert client.call("echo", "still here") == "still here"


def test_nothing_is_left_of_a_client_that_takes_its_leave(server: Server):
    with Client(server) as client:
        client.join()
        sockets = server.do()["sockets"]
        tasks = server.tasks

        client.write(masked(b"\x03\xe8", CLOSE))

        leaves_nothing(server, sockets, tasks)


def test_who_says_goodbye_is_closed_also_without_an_answer(server: Server):
    with Client(server) as client:
        client.join().say("1")

        assert client.end() == NORMAL


def test_a_message_under_way_when_its_client_goes_is_followed_by_nothing_but_the_farewell(
    server: Server,
):
    before = server.do()
    with Client(server) as client, Client(server) as other:
        client.join().say('42["hold",null]')
        client.say('42["echo","nobody hears"]')
        other.join().call("echo", "by now it is held")
        client.__exit__()
        wait_for(lambda: server.do()["sockets"] == before["sockets"] + 1)
        server.do("release")
        wait_for(lambda: len(server.do()["gone"]) > len(before["gone"]))

    assert "nobody hea" not in server.do()["handled"]

"""What one visitor's websockets may ask for: how many there are, what they watch, how often."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest

from tests.browser import Visitor
from tests.processes import wait_for
from tests.security.conftest import Served
from tests.security.wire import connect, statuses

OWNER_SOCKETS = 2
ADDRESS_SOCKETS = 6
MAX_WATCHES = 3


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "RATE_LIMITS": "on",
        "OWNER_SOCKETS": str(OWNER_SOCKETS),
        "ADDRESS_SOCKETS": str(ADDRESS_SOCKETS),
        "MAX_WATCHES": str(MAX_WATCHES),
        "LISTS_LIMIT": "5/minute",
        "ADDRESS_FACTOR": "100",
    }


def opened(address: str, cookie: str = "") -> tuple[int, socket.socket]:
    """Send the handshake of a websocket; return the answer's status, and the connection."""
    client = connect(address)
    client.sendall(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + (f"Cookie: {cookie}\r\n" if cookie else "").encode()
        + b"\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    return statuses(head)[0], client


def is_let_in(address: str, cookie: str = "") -> bool:
    status, client = opened(address, cookie)
    client.close()
    return status == 101


def test_a_websocket_watches_so_many_tasks(served: Served):
    visitor = Visitor(served.address).connect()
    task_ids = [visitor.start() for _ in range(MAX_WATCHES + 1)]

    assert visitor.call("watch", {"task_ids": task_ids[:2]})["missing"] == []
    assert visitor.call("watch", {"task_ids": task_ids[1:3]})["missing"] == []
    refused = visitor.call("watch", {"task_ids": task_ids[2:]})
    again = visitor.call("watch", {"task_ids": task_ids[:3]})

    message = f"A websocket watches at most {MAX_WATCHES} tasks: unwatch some, then watch these."
    assert refused == {"error": {"code": "too_many_watches", "message": message}}
    assert len(again["snapshots"]) == 3
    assert visitor.call("unwatch", {"task_ids": task_ids[:1]}) == {}
    assert visitor.call("watch", {"task_ids": task_ids[3:]})["missing"] == []


def test_strange_ids_take_no_place_among_the_watched(served: Served):
    visitor = Visitor(served.address).connect()
    strange = [str(uuid4()) for _ in range(MAX_WATCHES)]

    for _ in range(2):
        assert visitor.call("watch", {"task_ids": strange})["missing"] == strange


def test_an_event_that_comes_too_often_is_refused_until_a_time(served: Served):
    visitor = Visitor(served.address).connect()

    answers = [visitor.call("watch_mine", {}) for _ in range(6)]

    assert [sorted(each) for each in answers] == [["counts", "snapshots"]] * 5 + [["error"]]
    assert answers[-1]["error"]["code"] == "rate_limited"
    assert answers[-1]["error"]["message"].startswith("At most 5 lists per minute. Try again in ")


def test_an_owner_has_so_many_websockets(served: Served):
    cookies = Visitor(served.address).http.cookies
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    with ExitStack() as stack:
        for expected in [101] * OWNER_SOCKETS + [429]:
            status, client = opened(served.address, cookie)
            stack.enter_context(closing(client))
            assert status == expected
        assert is_let_in(served.address)  # nobody's, and not this owner's

    wait_for(lambda: is_let_in(served.address, cookie), message="who has left is still counted")


def test_an_address_has_so_many_websockets(served: Served):
    with ExitStack() as stack:
        found: list[int] = []
        while 429 not in found:
            status, client = opened(served.address)
            stack.enter_context(closing(client))
            found.append(status)
            assert len(found) <= ADDRESS_SOCKETS + 1

    wait_for(lambda: is_let_in(served.address), message="who has left is still counted")

"""Engine.IO's part, over real sockets spoken to by hand: frames, slow readers, silence,
whatever a client may send.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from headway.engine.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FLOOD,
    NO_BINARY,
    NORMAL,
    NOT_A_MESSAGE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
)
from tests.processes import wait_for
from tests.websockets import LARGEST, Client, Server, masked, serving

SMALL_BUFFER = 4096


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("engine")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client.join()


def leaves_nothing(server: Server, sockets: int, tasks: int) -> None:
    """Wait until nothing is left of a client that has ended.

    Both counts are from before its end.
    """
    wait_for(lambda: server.do()["sockets"] < sockets)
    wait_for(lambda: server.tasks <= tasks, message=f"more than {tasks} tasks, as before")


# Frames


@pytest.mark.parametrize("size", [2, 125, 126, 127, 65535, 65536, 200_000])
def test_frames_of_every_length_arrive(server: Server, client: Client, size: int):
    text = "2" + "x" * (size - 2)

    server.push((text, None))

    assert client.text() == "4" + text


def test_what_is_no_ascii_is_measured_in_bytes(server: Server, client: Client):
    text = "2" + "ä€😀" * 20  # 61 characters, 181 bytes

    server.push((text, None))

    assert client.text() == "4" + text


@pytest.mark.parametrize("size", [0, 1, 100, 125, 126, 1000, LARGEST - 40])
def test_what_a_client_sends_is_unmasked_and_read(client: Client, size: int):
    assert client.call("echo", "ä" + "y" * size) == "ä" + "y" * size


def test_a_message_may_come_in_fragments_with_pings_between_and_byte_by_byte(client: Client):
    message = b'421["echo","\xc3\xa4"]'
    parts = [
        masked(message[:12], TEXT, final=False),
        masked(b"between", PING),
        masked(message[12:13], CONTINUATION, final=False),
        masked(b"", CONTINUATION, final=False),
        masked(message[13:], CONTINUATION),
    ]

    for n in range(len(data := b"".join(parts))):
        client.write(data[n : n + 1])

    assert client.read() == (PONG, b"between")
    assert client.answer(1) == "ä"


def test_many_messages_may_come_at_once(client: Client):
    client.write(b"".join(masked(f'42{n}["echo",{n}]'.encode()) for n in range(50)))

    assert [client.answer(n) for n in range(50)] == list(range(50))


def test_a_client_is_told_the_limits(client: Client):
    assert client.opening["maxPayload"] == LARGEST
    assert (client.opening["pingInterval"], client.opening["pingTimeout"]) == (7000, 6000)
    assert client.opening["upgrades"] == []


VIOLATIONS = {
    "not masked": (b"\x81\x02hi", PROTOCOL_ERROR),
    "a reserved bit": (masked(b"40", reserved=4), PROTOCOL_ERROR),
    "a reserved kind": (masked(b"40", 3), PROTOCOL_ERROR),
    "a reserved kind of control": (masked(b"", 11), PROTOCOL_ERROR),
    "a ping in fragments": (masked(b"", PING, final=False), PROTOCOL_ERROR),
    "a ping of 126 bytes": (masked(b"x" * 126, PING), PROTOCOL_ERROR),
    "a fragment of nothing": (masked(b"x", CONTINUATION), PROTOCOL_ERROR),
    "a message within another": (masked(b"4", final=False) + masked(b"4"), PROTOCOL_ERROR),
    "binary": (masked(b"4", BINARY), NO_BINARY),
    "binary to come": (masked(b'451-["echo",{"_placeholder":true,"num":0}]'), NO_BINARY),
    "a binary answer to come": (masked(b"461-0[]"), NO_BINARY),
    "too big": (masked(b"4" * (LARGEST + 1)), TOO_BIG),
    "too big, by its head": (b"\x81\xff" + (2**63).to_bytes(8, "big"), TOO_BIG),
    "too big in fragments": (
        masked(b"4" * LARGEST, final=False) + masked(b"4", CONTINUATION),
        TOO_BIG,
    ),
    "no UTF-8": (masked(b'42["echo","\xff"]'), NOT_A_MESSAGE),
    "half a character": (masked(b'42["echo","\xc3'), NOT_A_MESSAGE),
    "empty": (masked(b""), NOT_A_MESSAGE),
    "no packet of Engine.IO": (masked(b"x"), NOT_A_MESSAGE),
    "a client's ping": (masked(b"2"), NOT_A_MESSAGE),
    "no packet of Socket.IO": (masked(b"4zzz"), NOT_A_MESSAGE),
    "no JSON": (masked(b"42["), NOT_A_MESSAGE),
    "deep JSON": (masked(b"42" + b"[" * 8000), NOT_A_MESSAGE),
    "an event without a name": (masked(b"42[]"), NOT_A_MESSAGE),
    "an event that is no list": (masked(b'42{"a":1}'), NOT_A_MESSAGE),
    "a name that is no string": (masked(b"42[{}]"), NOT_A_MESSAGE),
    "a flood of messages": (b"".join([masked(b'42["echo",1]')] * 200), FLOOD),
    "a flood of nothing": (
        masked(b"", final=False) + masked(b"", CONTINUATION, final=False) * 200,
        FLOOD,
    ),
    "a flood of pings": (masked(b"", PING) * 200, FLOOD),
    "a close of one byte": (masked(b"x", CLOSE), PROTOCOL_ERROR),
    "a close with a code that is none": (masked(b"\x03\xed", CLOSE), PROTOCOL_ERROR),
    "a close that is no UTF-8": (masked(b"\x03\xe8\xff", CLOSE), NOT_A_MESSAGE),
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


def test_garbage_closes_too(server: Server):
    with Client(server) as client:
        client.join().write(bytes(range(256)) * 300)

        assert client.is_cut()


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9leaving", b"\x0f\xa0"])
def test_a_client_that_takes_its_leave_is_answered(server: Server, payload: bytes):
    with Client(server) as client:
        client.join()
        sockets = server.do()["sockets"]
        tasks = server.tasks

        client.write(masked(payload, CLOSE))

        assert client.read() == (CLOSE, payload[:2])
        assert client.is_cut()
        leaves_nothing(server, sockets, tasks)
        assert server.do()["gone"][-1] == "transport close"


def test_a_client_may_leave_by_engine_io_or_without_a_word(server: Server):
    with Client(server) as polite, Client(server) as rude:
        sockets = server.do()["sockets"]
        tasks = server.tasks
        polite.join().say("41")
        polite.say("1")
        rude.join().write(b"\x81\xff")

        assert polite.end() == NORMAL
    wait_for(lambda: server.do()["sockets"] == sockets)
    wait_for(lambda: server.tasks <= tasks)


def test_the_server_says_goodbye(server: Server):
    with Client(server) as client:
        client.join().say('42["leave",0]')

        assert client.text() == "1"
        assert client.end() == NORMAL


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_WebSocket_Version": "8"},
        {"Sec_WebSocket_Key": ""},
        {"Sec_WebSocket_Key": "=x"},
        {"Connection": "close"},
    ],
)
def test_what_is_no_handshake_is_refused(server: Server, headers: dict[str, str]):
    with Client(server) as client:
        head = client.ask(**headers)

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nSec-Websocket-Version: 13" in head


# Calls


def test_calls_of_a_client_are_handled_one_at_a_time_and_in_order_and_others_do_not_wait(
    server: Server, client: Client
):
    client.say('421["nap",1]')
    client.say('422["echo","after"]')
    with Client(server) as other:
        begun = time.monotonic()
        assert other.join().call("echo", "at once") == "at once"
        assert time.monotonic() - begun < 1

    assert client.answer(1) == 1
    assert client.answer(2) == "after"


def test_a_client_that_sends_more_than_is_handled_is_read_later(server: Server, client: Client):
    big = "z" * (LARGEST - 100)
    client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    client.say('42["hold",null]')
    client._socket.settimeout(0.3)

    calls = b"".join(masked(f'42["echo","{number:03}{big}"]'.encode()) for number in range(100))
    with pytest.raises(TimeoutError):  # it fills the buffers of both kernels, and waits
        client.write(calls)
    assert not [text for text in server.do()["handled"] if str(text)[3:] == "zzzzzzz"]

    client._socket.settimeout(10)
    server.do("release")
    waited = wait_for(
        lambda: [text[:3] for text in server.do()["handled"] if str(text)[3:] == "zzzzzzz"], 5
    )
    assert waited == [f"{number:03}" for number in range(len(waited))]


def test_a_message_under_way_when_its_client_goes_is_followed_by_nothing_but_the_farewell(
    server: Server,
):
    before = server.do()
    with Client(server) as client:
        client.join().say('42["nap",0.5]')
        client.say('42["echo","nobody hears"]')
        time.sleep(0.1)  # well within the nap
    wait_for(lambda: len(server.do()["gone"]) > len(before["gone"]), 5)

    assert "nobody hea" not in server.do()["handled"]

"""What every engine keeps in every async mode, over real sockets spoken to by hand.

`docs/seams.md` says where they are meant to differ.
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
    SERVICE_RESTART,
    TEXT,
    TOO_BIG,
)
from tests.processes import wait_for
from tests.websockets import LARGEST, LEAN_ENGINES, Client, Server, masked, serving

ENGINES = [
    *(*LEAN_ENGINES, "epoll-gthread"),
    *("stock-eventlet", "stock-gevent", "stock-threading"),
]
SMALL_BUFFER = 4096
ELSEWHERE = "http://elsewhere.example"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp(engine), engine, ping_interval=14, ping_timeout=13
    ) as server:
        with Client(server) as first:
            first.join()
            tasks = server.tasks
        yield server
        with Client(server) as last:
            last.join()
            # Engine.IO waits with the next ping of a socket also when that has ended.
            wait_for(lambda: server.tasks <= tasks, 40, "something is left of who has gone")


@pytest.fixture(scope="module")
def normal(engine: str) -> int:
    """The code of a close that is nobody's fault; eventlet's own websockets send none."""
    return 0 if engine == "stock-eventlet" else NORMAL


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client.join()


@pytest.fixture
def impatient(server: Server) -> Iterator[Server]:
    """The server, which gives up soon who connects from now on and is silent."""
    server.do("ping", [2.0, 1.0])
    yield server
    server.do("ping", [14.0, 13.0])


# Messages


def test_a_websocket_is_of_the_engine_that_this_is_about(
    engine: str, server: Server, client: Client
):
    name = "headway.engine.socket" if engine.startswith("epoll") else "engineio.socket"

    assert server.do("kinds") == [name]


def test_a_client_is_told_the_limits(client: Client):
    assert client.opening["maxPayload"] == LARGEST
    assert (client.opening["pingInterval"], client.opening["pingTimeout"]) == (14_000, 13_000)
    assert client.opening["upgrades"] == []


def test_frames_of_every_length_arrive(server: Server, client: Client):
    for size in (2, 125, 126, 127, 65535, 65536, 200_000):
        text = "2" + "x" * (size - 2)
        server.push((text, None))
        assert client.text() == "4" + text


def test_what_is_no_ascii_is_measured_in_bytes(server: Server, client: Client):
    text = "2" + "ä€😀" * 20  # 61 characters, 181 bytes

    server.push((text, None))

    assert client.text() == "4" + text


def test_what_a_client_sends_is_unmasked_and_read(client: Client):
    for size in (0, 1, 100, 125, 126, 1000, LARGEST - 40):
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


def test_pushes_and_the_answer_to_a_call_come_in_the_order_of_sending(client: Client):
    client.say('427["push_and_echo","done"]')

    texts = [client.text() for _ in range(3)]

    assert texts == ['42["pushed",1]', '42["pushed",2]', '437["done"]']


def test_what_goes_to_all_reaches_each(server: Server, client: Client):
    with Client(server) as other:
        other.join()
        server.push(("2pushed", "a"))
        server.do("emit", ["event", [1]])

        for each in (client, other):
            assert [each.text(), each.text()] == ["42pushed", '42["event",[1]]']


def test_what_the_kernel_does_not_take_at_once_arrives_whole_also_among_answers(server: Server):
    text = "2" + "x" * 6_000_000
    with Client(server, SMALL_BUFFER) as slow:
        slow.join()
        server.push((text, None))
        for _ in range(20):
            slow.write(masked(b"x", PING))
        frames = [slow.read()]
        while len(frames[-1][1]) < len(text):
            frames.append(slow.read())
        server.push(("2end", None))
        while frames[-1] != (TEXT, b"42end"):
            frames.append(slow.read())

    pushed = [payload.decode() for opcode, payload in frames if opcode == TEXT]
    assert [each for each in pushed if each != "2"] == [f"4{text}", "42end"]
    assert {frame for frame in frames if frame[0] != TEXT} == {(PONG, b"x")}


# What a client must not send

VIOLATIONS = {
    "not masked": (b"\x81\x02hi", PROTOCOL_ERROR),
    "a reserved bit": (masked(b"40", reserved=4), PROTOCOL_ERROR),
    "a reserved kind": (masked(b"40", 3), PROTOCOL_ERROR),
    "a reserved kind of control": (masked(b"", 11), PROTOCOL_ERROR),
    "a ping in fragments": (masked(b"", PING, final=False), PROTOCOL_ERROR),
    "a ping of 126 bytes": (masked(b"x" * 126, PING), PROTOCOL_ERROR),
    "a fragment of nothing": (masked(b"x", CONTINUATION), PROTOCOL_ERROR),
    "a message within another": (masked(b"4", final=False) + masked(b"4"), PROTOCOL_ERROR),
    "a close of one byte": (masked(b"x", CLOSE), PROTOCOL_ERROR),
    "a close with a code that is none": (masked(b"\x03\xed", CLOSE), PROTOCOL_ERROR),
    "a close that is no UTF-8": (masked(b"\x03\xe8\xff", CLOSE), NOT_A_MESSAGE),
    "binary": (masked(b"4", BINARY), NO_BINARY),
    "binary to come": (masked(b'451-["echo",{"_placeholder":true,"num":0}]'), NO_BINARY),
    "a binary answer to come": (masked(b"461-0[]"), NO_BINARY),
    "too big": (masked(b"4" * (LARGEST + 1)), TOO_BIG),
    "too big in fragments": (
        masked(b"4" * LARGEST, final=False) + masked(b"4", CONTINUATION),
        TOO_BIG,
    ),
    "2 GB to come": (b"\x81\xff" + (1 << 31).to_bytes(8) + b"x" * (LARGEST + 100), TOO_BIG),
    "no UTF-8": (masked(b'42["echo","\xff"]'), NOT_A_MESSAGE),
    "half a character": (masked(b'42["echo","\xc3'), NOT_A_MESSAGE),
    "empty": (masked(b""), NOT_A_MESSAGE),
    "no packet of Engine.IO": (masked(b"x"), NOT_A_MESSAGE),
    "a client's ping": (masked(b"2"), NOT_A_MESSAGE),
    "no packet of Socket.IO": (masked(b"4zzz"), NOT_A_MESSAGE),
    "a server's error": (masked(b'44{"message":"x"}'), NOT_A_MESSAGE),
    "an error of a namespace": (masked(b'44/x,{"message":"x"}'), NOT_A_MESSAGE),
    "an unknown packet of Socket.IO": (masked(b"47"), NOT_A_MESSAGE),
    "the last packet of Socket.IO": (masked(b"49"), NOT_A_MESSAGE),
    "no JSON": (masked(b"42["), NOT_A_MESSAGE),
    "deep JSON": (masked(b"42" + b"[" * 8000), NOT_A_MESSAGE),
    "an event without a name": (masked(b"42[]"), NOT_A_MESSAGE),
    "an event that is no list": (masked(b'42{"a":1}'), NOT_A_MESSAGE),
    "a name that is no string": (masked(b"42[{}]"), NOT_A_MESSAGE),
    "a name that is a number": (masked(b"42[5,1]"), NOT_A_MESSAGE),
    "a name that is null": (masked(b"42[null]"), NOT_A_MESSAGE),
    "an event of the server's own": (masked(b'42["disconnect"]'), NOT_A_MESSAGE),
    "an answer to no call": (masked(b'43["echo"]'), NOT_A_MESSAGE),
    "an answer that is no list": (masked(b'430{"a":1}'), NOT_A_MESSAGE),
    "an answer without data": (masked(b"430"), NOT_A_MESSAGE),
    "a flood of messages": (b"".join([masked(b'42["echo",1]')] * 200), FLOOD),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_what_a_client_must_not_send_closes_it_and_no_other(
    engine: str, server: Server, client: Client, violation: str
):
    data, code = VIOLATIONS[violation]
    with Client(server) as other:
        sockets = server.do()["sockets"]
        other.join().write(data)

        if engine == "stock-eventlet":  # eventlet's own reader has codes of its own, or none
            assert other.is_cut()
        else:
            assert other.end() == code
    wait_for(lambda: server.do()["sockets"] <= sockets)
    assert client.call("echo", "still here") == "still here"


def test_garbage_closes_too(server: Server):
    with Client(server) as client:
        client.join().write(bytes(range(256)) * 300)

        assert client.is_cut()


# Handshakes


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
    assert b"\r\nsec-websocket-version: 13" in head.lower()


def test_a_handshake_of_another_sites_page_is_refused(server: Server):
    with Client(server) as client:
        head = client.ask(Origin=ELSEWHERE)

    assert head.startswith(b"HTTP/1.1 403 ")


def test_a_client_has_so_many_websockets_and_no_more_until_one_ends(server: Server):
    with Client(server) as first, Client(server) as second, Client(server) as other:
        for one in (first, second):
            assert one.ask(X_Client="ada").startswith(b"HTTP/1.1 101 ")
        with Client(server) as third:
            refused = third.ask(X_Client="ada home")
        assert other.ask(X_Client="home").startswith(b"HTTP/1.1 101 ")
    assert refused.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: " in refused.lower()

    def is_let_in() -> bool:
        with Client(server) as again:
            return again.ask(X_Client="ada").startswith(b"HTTP/1.1 101 ")

    wait_for(is_let_in, message="who has left is still counted")


def test_beyond_its_connections_a_server_asks_to_come_later(server: Server, client: Client):
    server.do("limit", server.do()["sockets"])
    try:
        with Client(server) as late:
            head = late.ask()
    finally:
        server.do("limit", 10_000)

    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in head.lower()
    assert client.call("echo", 1) == 1


# Calls


def test_calls_of_a_client_are_handled_in_order_and_others_do_not_wait(
    server: Server, client: Client
):
    client.say('420["hold",null]')
    client.say('422["echo","after"]')
    with Client(server) as other:
        assert other.join().call("echo", "at once") == "at once"
    assert "after" not in server.do()["handled"]

    server.do("release")

    assert client.text() == "430[]"
    assert client.answer(2) == "after"


def test_a_client_that_sends_more_than_is_handled_is_read_later(server: Server, client: Client):
    handled = len(server.do()["handled"])
    client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    client.say('42["hold",null]')
    client._socket.settimeout(0.5)

    big = "z" * (LARGEST - 100)
    first, second = (masked(f'42["echo","{name}{big}"]'.encode()) for name in "ab")
    with pytest.raises(TimeoutError):  # it fills the buffers of both kernels, and waits
        client.write(first + second * 500)
    assert len(server.do()["handled"]) == handled

    server.do("release")
    waited = wait_for(lambda: server.do()["handled"][handled:])
    assert waited[0] == "azzzzzzzzz"


# Living and ending


def test_who_does_not_answer_a_ping_is_closed_and_who_does_stays(impatient: Server):
    with Client(impatient) as silent, Client(impatient) as client:
        silent.join()
        client.join()
        assert silent.text() == "2"
        sockets = impatient.do()["sockets"]
        while impatient.do()["sockets"] == sockets:
            assert client.text() == "2"
            client.say("3")

        assert silent.is_cut()
        assert client.call("echo", "still here") == "still here"


def test_who_takes_nothing_is_dropped_and_nobody_else(impatient: Server):
    with Client(impatient) as client, Client(impatient, SMALL_BUFFER) as slow:
        client.join()
        sockets = impatient.do()["sockets"]
        slow.join()
        until = time.monotonic() + 15
        while impatient.push(*[("2" + "f" * 4000, None)] * 20, ("2end", None))["sockets"] > sockets:
            assert time.monotonic() < until, "it is still there"
            if "2" in client.texts_until("42end"):
                client.say("3")

        client.texts_until("42end")
        client.say('421["echo","still here"]')
        client.texts_until('431["still here"]')


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9leaving", b"\x0f\xa0"])
def test_a_client_that_takes_its_leave_is_answered(engine: str, server: Server, payload: bytes):
    with Client(server) as client:
        client.join()
        sockets = server.do()["sockets"]

        client.write(masked(payload, CLOSE))

        opcode, answer = client.read()
        assert opcode == CLOSE
        if engine != "stock-eventlet":  # which always answers with 1000
            assert answer[:2] == payload[:2]
        assert client.is_cut()
    wait_for(lambda: server.do()["sockets"] < sockets)
    assert server.do()["gone"][-1] == "transport close"


def test_a_client_may_leave_by_engine_io_or_without_a_word(server: Server, normal: int):
    sockets = server.do()["sockets"]
    with Client(server) as polite, Client(server) as rude:
        polite.join().say("1")
        rude.join().write(b"\x81\xff")

        assert polite.leave() == normal
    wait_for(lambda: server.do()["sockets"] <= sockets)


def test_the_server_says_goodbye(server: Server, normal: int):
    with Client(server) as client:
        client.join().say('42["leave",0]')

        assert client.text() == "1"
        assert client.leave() == normal


def test_all_are_sent_away_with_the_code_after_which_they_come_back(server: Server):
    clients = [Client(server).join() for _ in range(10)]

    server.do("end", SERVICE_RESTART)

    assert {client.end() for client in clients} == {SERVICE_RESTART}
    wait_for(lambda: server.do()["sockets"] == 0)
    for client in clients:
        client.__exit__()

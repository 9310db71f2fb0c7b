"""Engine.IO's part, over real sockets spoken to by hand: frames, slow readers, silence, whatever a client may send."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.engine import MOST_BYTES, Event
from app.frames import (
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


def leaves_nothing(server: Server, before: dict[str, Any]) -> None:
    """Wait until nothing is left of a client that has ended."""
    wait_for(lambda: server.do()["sockets"] < before["sockets"], 5)
    wait_for(lambda: server.do()["tasks"] <= before["tasks"], 5, f"{server.do()['tasks']}, {before['tasks']} before")


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
    "too big in fragments": (masked(b"4" * LARGEST, final=False) + masked(b"4", CONTINUATION), TOO_BIG),
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
    "a flood of nothing": (masked(b"", final=False) + masked(b"", CONTINUATION, final=False) * 200, FLOOD),
    "a flood of pings": (masked(b"", PING) * 200, FLOOD),
    "a close of one byte": (masked(b"x", CLOSE), PROTOCOL_ERROR),
    "a close with a code that is none": (masked(b"\x03\xed", CLOSE), PROTOCOL_ERROR),
    "a close that is no UTF-8": (masked(b"\x03\xe8\xff", CLOSE), NOT_A_MESSAGE),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_what_a_client_must_not_send_closes_it_and_leaves_nothing(server: Server, client: Client, violation: str):
    with Client(server) as other:
        other.join()
        before = server.do()
        data, code = VIOLATIONS[violation]

        other.write(data)

        assert other.end() == code
        leaves_nothing(server, before)
    assert client.call("echo", "still here") == "still here"


def test_garbage_closes_too(server: Server):
    with Client(server) as client:
        client.join().write(bytes(range(256)) * 300)

        assert client.is_cut()


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9leaving", b"\x0f\xa0"])
def test_a_client_that_takes_its_leave_is_answered(server: Server, payload: bytes):
    with Client(server) as client:
        client.join()
        before = server.do()

        client.write(masked(payload, CLOSE))

        assert client.read() == (CLOSE, payload[:2])
        assert client.is_cut()
        leaves_nothing(server, before)
        assert server.do()["gone"][-1] == "transport close"


def test_a_client_may_leave_by_engine_io_or_without_a_word(server: Server):
    with Client(server) as polite, Client(server) as rude:
        before = server.do()
        polite.join().say("41")
        polite.say("1")
        rude.join().write(b"\x81\xff")

        assert polite.end() == NORMAL
    wait_for(lambda: server.do()["sockets"] == before["sockets"], 5)
    wait_for(lambda: server.do()["tasks"] <= before["tasks"], 5)


def test_the_server_says_goodbye(server: Server):
    with Client(server) as client:
        client.join().say('42["leave",0]')

        assert client.text() == "1"
        assert client.end() == NORMAL


@pytest.mark.parametrize(
    "headers",
    [{"Sec_WebSocket_Version": "8"}, {"Sec_WebSocket_Key": ""}, {"Sec_WebSocket_Key": "=x"}, {"Connection": "close"}],
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
    waited = wait_for(lambda: [text[:3] for text in server.do()["handled"] if str(text)[3:] == "zzzzzzz"], 5)
    assert waited == [f"{number:03}" for number in range(len(waited))]


def test_a_message_under_way_when_its_client_goes_is_followed_by_nothing_but_the_farewell(server: Server):
    before = server.do()
    with Client(server) as client:
        client.join().say('42["nap",0.5]')
        client.say('42["echo","nobody hears"]')
        time.sleep(0.1)  # well within the nap
    wait_for(lambda: len(server.do()["gone"]) > len(before["gone"]), 5)

    assert "nobody hea" not in server.do()["handled"]


# Slow readers


@pytest.fixture
def slow(server: Server) -> Iterator[Client]:
    """A client that reads nothing for now, and whose kernel takes little for it."""
    with Client(server, SMALL_BUFFER) as client:
        yield client.join()


def fill(server: Server) -> None:
    """Push until somebody does not take it."""
    wait_for(lambda: server.push(*[("2" + "f" * 4000, "filling")] * 10)["waiting"], 5)


def test_who_reads_slowly_gets_the_newest_of_each_key(server: Server, client: Client, slow: Client):
    fill(server)

    server.push(*[(f"2{key}{version:05}", key) for version in range(1000) for key in ("a", "b", "c")])
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


def test_of_log_lines_a_slow_reader_misses_the_oldest_and_sees_the_gap(server: Server, slow: Client):
    fill(server)

    waiting = server.push(*[(f"2{seq:05}" + "x" * 1000, Event.LINES) for seq in range(1, 1001)])["waiting"]

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


def test_who_takes_nothing_is_dropped_and_nobody_else(tmp_path: Path):
    with (
        serving(tmp_path, constants={"STUCK_SECONDS": 1.0}) as server,
        Client(server) as client,
        Client(server, SMALL_BUFFER) as slow,
    ):
        client.join()
        slow.join()
        before = server.do()
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
        wait_for(lambda: server.do()["tasks"] <= before["tasks"], 5)


def drain(client: Client) -> None:
    """Read all that has come."""
    client.write(masked(b"x", PING))
    while client.read() != (PONG, b"x"):
        pass


def test_who_takes_a_little_is_not_dropped(tmp_path: Path):
    with serving(tmp_path, constants={"STUCK_SECONDS": 2.0}) as server, Client(server, SMALL_BUFFER) as slow:
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

        assert most <= MOST_BYTES
        assert most > MOST_BYTES / 2
        assert found["sockets"] == sockets - 1
        assert slow.is_cut()


def test_a_frame_larger_than_all_that_may_wait_is_sent_all_the_same(server: Server, client: Client):
    server.push(("2" + "x" * 3 * MOST_BYTES, None))

    assert len(client.text()) == 3 * MOST_BYTES + 2


# Silence


def test_who_does_not_answer_a_ping_is_closed_in_time_and_who_does_stays(tmp_path: Path):
    with (
        serving(tmp_path, ping_interval=1.0, ping_timeout=0.5) as server,
        Client(server) as silent,
        Client(server) as client,
    ):
        begun = time.monotonic()
        silent.join()
        client.join()
        pings = 0
        while time.monotonic() < begun + 4:
            assert client.text() == "2"
            pings += 1
            client.say("3")

        assert 3 <= pings <= 5
        assert server.do()["sockets"] == 1
        assert server.do()["gone"] == ["ping timeout"]
        assert silent.text() == "2"
        assert silent.is_cut()


def test_pings_are_spread_over_their_interval(tmp_path: Path):
    with serving(tmp_path, ping_interval=1.0, ping_timeout=0.5) as server:
        clients = []
        for _ in range(4):
            clients.append(Client(server).join())
            time.sleep(0.25)
        at = []
        for client in clients:
            while client.text() != "2":
                pass
            at.append(time.monotonic())
            client.__exit__()

    assert at == sorted(at)
    assert at[-1] - at[0] > 0.4


def test_while_the_process_stands_still_nobody_is_given_up(tmp_path: Path):
    with serving(tmp_path, ping_interval=1.0, ping_timeout=0.5) as server, Client(server) as client:
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


def test_all_are_sent_away_with_the_code_after_which_they_come_back(tmp_path: Path):
    with serving(tmp_path) as server:
        clients = [Client(server).join() for _ in range(50)]
        before = server.do()
        assert before["sockets"] == 50

        assert server.do("end", SERVICE_RESTART)["sockets"] == 0

        assert {client.end() for client in clients} == {SERVICE_RESTART}
        assert server.do()["gone"] == ["server disconnect"] * 50
        for client in clients:
            client.__exit__()


def test_a_client_that_does_not_read_why_it_is_closed_is_not_waited_for(tmp_path: Path):
    with serving(tmp_path, constants={"LINGER_SECONDS": 0.5}) as server, Client(server) as client:
        client.join()
        server.do("end", SERVICE_RESTART)

        wait_for(lambda: not connections_of(server), 5)


def connections_of(server: Server) -> list[str]:
    """The server's connections with clients, by the kernel's account."""
    end = f"0100007F:{server.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line[2] for line in lines if line[1] == end and line[3] not in ("0A", "06") and line[9] != "0"][1:]


def test_beyond_its_connections_a_server_asks_to_come_later(tmp_path: Path):
    with serving(tmp_path, most_sockets=2) as server, Client(server) as one, Client(server) as two:
        one.join()
        two.join()
        with Client(server) as three:
            head = three.ask()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: " in head

        two.write(masked(b"", CLOSE))
        wait_for(lambda: server.do()["sockets"] == 1)
        with Client(server) as four:
            assert four.join().call("echo", 1) == 1


def test_where_files_are_few_some_are_left_to_requests(tmp_path: Path):
    with serving(tmp_path, constants={"SPARE_FILES": 20}, files=100) as server:
        clients = [Client(server) for _ in range(90)]
        heads = [client.ask() for client in clients]

        welcome = [head for head in heads if head.startswith(b"HTTP/1.1 101 ")]
        refused = [head for head in heads if head.startswith(b"HTTP/1.1 503 ")]
        assert 50 < len(welcome) < 80
        assert len(welcome) + len(refused) == 90
        assert server.do()["sockets"] == len(welcome)
        for client in clients:
            client.__exit__()
        wait_for(lambda: server.do()["sockets"] == 0, 5)
        with Client(server) as client:
            assert client.join().call("echo", 1) == 1


def test_idle_websockets_cost_little_memory_and_no_greenlets(tmp_path: Path):
    with serving(tmp_path) as server:
        clients = [Client(server).join() for _ in range(100)]
        before, memory = server.do(), server.memory

        clients += [Client(server).join() for _ in range(1900)]

        after = server.do()
        assert after["sockets"] == 2000
        assert after["tasks"] <= before["tasks"] + 2
        assert (server.memory - memory) / 1900 < 16_000
        assert [client.call("echo", n) for n, client in enumerate(clients)] == list(range(2000))
        for client in clients:
            client.__exit__()
        wait_for(lambda: server.do()["sockets"] == 0, 10)


# The other modes


@pytest.mark.parametrize("mode", ["eventlet", "gevent", "threading"])
def test_every_mode_speaks_the_same(tmp_path: Path, mode: str):
    with serving(tmp_path, mode, most_sockets=3) as server, Client(server) as flooder, Client(server) as client:
        flooder.join()
        client.join()
        assert client.call("echo", "ä") == "ä"
        server.push(("2pushed", "a"))
        assert client.text() == "42pushed"
        server.do("emit", ["event", [1]])
        assert client.text() == '42["event",[1]]'

        flooder.write(b"".join([masked(b'42["echo",1]')] * 200))
        assert flooder.is_cut()
        wait_for(lambda: server.do()["sockets"] == 1, 5)

        server.do("end", SERVICE_RESTART)
        assert client.end() == SERVICE_RESTART

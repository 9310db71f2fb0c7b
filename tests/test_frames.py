"""Frames and what waits for a client, without a socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from headway.engine.backlog import Backlog
from headway.engine.events import Event
from headway.engine.frames import (
    PING,
    TOO_BIG,
    FrameParser,
    ProtocolError,
    RateLimiter,
    encode_frame,
)
from headway.engine.simple import MAX_UNREAD, Unread
from tests.processes import wait_for
from tests.websockets import LARGEST, masked


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_a_frame_has_the_shortest_head(size: int, head: int):
    assert len(encode_frame(b"x" * size)) == head + size


def test_a_reader_keeps_no_more_than_it_must():
    reader = FrameParser(LARGEST)

    assert list(reader.feed(masked(b"4" * 1000)[:-1])) == []
    with pytest.raises(ProtocolError) as raised:
        list(reader.feed(b"x" + masked(b"4" * (LARGEST + 1))[:10]))

    assert raised.value.code == TOO_BIG


@pytest.mark.parametrize(
    ("before", "data", "is_answer"),
    [
        (b"", masked(b"3"), True),
        (b"", masked(b"1"), False),
        (b"", masked(b"3", PING), False),
        (b"", masked(b"3", final=False), False),
        (b"", masked(b"3") + masked(b"1"), False),
        (b"", encode_frame(b"3") + masked(b""), False),
        (b"", masked(b"3")[:-1], False),
        (masked(b"4" * 20)[:-7], masked(b"3"), False),
        (masked(b"4", final=False), masked(b"3"), False),
    ],
)
def test_a_message_of_one_byte_is_told_from_all_else(before: bytes, data: bytes, is_answer: bool):
    reader = FrameParser(LARGEST)
    assert list(reader.feed(before)) == []

    assert reader.is_one_byte(data, ord("3")) == is_answer


def test_credit_comes_back_with_time(monkeypatch: pytest.MonkeyPatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    credit = RateLimiter()

    def take(frames: int) -> None:
        for _ in range(frames):
            credit.take()

    take(110)
    now[0] += 5
    take(69)

    with pytest.raises(ProtocolError):
        take(2)


def everything(backlog: Backlog, taken: Callable[[bytes], int] = len) -> bytes:
    sent = b""
    while data := backlog.next():
        sent += data[: taken(data)]
        backlog.took(taken(data))
    return sent


def test_a_backlog_sends_pings_first_but_never_within_a_frame():
    backlog = Backlog(b"rest.")
    backlog.add(b"one.", "a")
    backlog.add_first(b"ping.")
    backlog.add_first(b"pong.")
    backlog.add(b"two.", "a")

    assert everything(backlog, lambda data: (len(data) + 1) // 2) == b"rest.ping.two."
    assert backlog.size == 0


def test_a_backlog_knows_its_size():
    backlog = Backlog(b"")
    backlog.add(b"x" * 10, "a")
    backlog.add(b"x" * 20, "a")
    backlog.add(b"x" * 5, None)
    for _ in range(3):
        backlog.add(b"x" * 40_000, Event.LINES)

    assert backlog.size == 40_025
    assert len(everything(backlog)) == 40_025
    assert backlog.size == 0


def test_what_nobody_has_asked_for_is_not_read_on():
    unread = Unread(threading.Event())
    reader = threading.Thread(target=lambda: [unread.append(n) for n in range(2 * MAX_UNREAD)])
    reader.start()
    wait_for(lambda: len(unread) == MAX_UNREAD)

    taken = []
    while len(taken) < 2 * MAX_UNREAD:
        wait_for(lambda: unread)
        assert len(unread) <= MAX_UNREAD
        taken.append(unread.pop(0))

    reader.join(20)
    assert taken == list(range(2 * MAX_UNREAD))


def test_a_reader_that_waits_for_room_ends_with_its_websocket():
    unread = Unread(threading.Event())
    reader = threading.Thread(target=lambda: [unread.append(n) for n in range(2 * MAX_UNREAD)])
    reader.start()
    wait_for(lambda: len(unread) == MAX_UNREAD)

    unread.end()

    reader.join(20)
    assert not reader.is_alive()

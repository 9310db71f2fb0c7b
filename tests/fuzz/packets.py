"""What a fuzzed websocket sends: valid conversations, and what chance makes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from headway.engine.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.websockets import masked

EVENTS = ("watch", "unwatch", "watch_mine", "connect", "disconnect", "message", "", "snapshot")
KEYS = ("task_ids", "after", "streams", "offset", "epoch", "token", "__proto__", "")
TEXTS = ("", "\0", "\ud800", "\u202e", "../..", "9" * 400, "a" * 5000, "NaN", "*", "\x1b[2J")
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**64, 10**300, 0.5, float("nan"), float("inf"), -0.0)
PACKETS = (
    *("", "0", "1", "2", "3", "4", "5", "6", "7", "2probe", "3probe", "40", "41", "43", "44", "45"),
    *("46", "47", "49", "4 ", "40/admin,", "40{", '40{"token":5}', '40{"token":"hwt_x"}', "42[]"),
    *("42[1]", '42["watch"', '42{"a":1}', '42/x,1["watch",{}]', "43[]", "431[1]", "451-[]"),
    *("461-[]", "459999999999-[]", '420000["watch"]', "42" + "9" * 500 + '["watch"]'),
    *("4" + "[" * 8000, "4" * 9),
)
KINDS = (TEXT, TEXT, TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG, 3, 7, 11, 15)
LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 2**31, 2**63, 2**64 - 1)


def value(chance: random.Random, task_id: str, depth: int = 0) -> Any:
    """Return any JSON value, often one that an event takes."""
    kinds: list[Callable[[], Any]] = [
        lambda: chance.choice(TEXTS),
        lambda: chance.choice(NUMBERS),
        lambda: chance.choice((None, True, False)),
        lambda: task_id,
    ]
    if depth < 4:
        kinds += [
            lambda: [value(chance, task_id, depth + 1) for _ in range(chance.randrange(4))],
            lambda: {
                chance.choice((*KEYS, task_id)): value(chance, task_id, depth + 1)
                for _ in range(chance.randrange(4))
            },
        ] * 2
    return chance.choice(kinds)()


def payload(chance: random.Random, task_id: str) -> Any:
    """Return what an event may carry: sound, or sound but for a value, or anything."""
    sound: dict[str, Any] = {"task_ids": [task_id], "after": {task_id: 0}}
    sound["streams"] = {task_id: {"preview": {"offset": 0, "epoch": 1}}}
    for key in chance.sample(sorted(sound), chance.randrange(3)):
        sound[key] = value(chance, task_id)
    return chance.choice([sound, value(chance, task_id)])


def call(chance: random.Random, number: int, task_id: str) -> str:
    """Return the packet of a call that has to be acknowledged."""
    name = chance.choice(EVENTS[:3])
    return f"42{number}{json.dumps([name, payload(chance, task_id)])}"


def packet(chance: random.Random, task_id: str) -> bytes:
    """Return any packet."""
    any_event = [chance.choice(EVENTS), payload(chance, task_id)]
    text = chance.choice((*PACKETS, f"42{json.dumps(any_event)}", call(chance, 5, task_id)))
    return changed(chance, text.encode()) if chance.random() < 0.3 else text.encode()


def stream(chance: random.Random, task_id: str) -> bytes:
    """Return what a client sends after its handshake: frames, whole, in fragments or damaged."""
    frames = [masked(b"40")] if chance.random() < 0.8 else []
    for _ in range(chance.randrange(1, 12)):
        frames += frames_of(chance, packet(chance, task_id))
    data = b"".join(frames)
    return changed(chance, data) if chance.random() < 0.4 else data


def frames_of(chance: random.Random, data: bytes) -> list[bytes]:
    """Return the frames of a message: one, fragments with others between, or odd ones."""
    way = chance.randrange(6)
    if way == 0:
        at = chance.randrange(len(data) + 1)
        between = masked(b"between", chance.choice((PING, PONG, TEXT)))
        return [masked(data[:at], final=False), between, masked(data[at:], CONTINUATION)]
    if way == 1:  # of which some are compressed, as an extension would have it
        reserved = chance.choice((0, 0, 1, 2, 4, 7))
        return [masked(data, chance.choice(KINDS), chance.random() < 0.8, reserved)]
    if way == 2:
        return [with_length(chance, data)]
    if way == 3:
        return [chance.randbytes(chance.randrange(200))]
    return [masked(data)]


def with_length(chance: random.Random, data: bytes) -> bytes:
    """Return a frame whose length is in a longer form than it need be, or a lie."""
    size = chance.choice((len(data), chance.choice(LENGTHS)))
    wide = size.to_bytes(8)
    length = chance.choice((b"\xfe" + wide[-2:], b"\xff" + wide, bytes([size & 0x7F])))
    return b"\x81" + length + bytes(4) + data  # a mask of zeros changes nothing


def changed(chance: random.Random, data: bytes) -> bytes:
    """Return bytes with some of them replaced, cut out, put in or doubled."""
    found = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + chance.randrange(1, 8))
        found[at:end] = chance.choice(
            (b"", chance.randbytes(end - at), chance.randbytes(4), bytes(found[at:end]) * 2)
        )
    return bytes(found)

"""Websocket frames (RFC 6455): encodes a server's and parses a client's, within limits."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

# Of a frame (RFC 6455, 5.2)
CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10
FINAL = 0x80
RESERVED = 0x70
CONTROL = 0x08
MASKED = 0x80

# Why a websocket is closed
NORMAL = 1000
PROTOCOL_ERROR = 1002
NO_BINARY = 1003
NOT_A_MESSAGE = 1007  # not UTF-8, or nothing that Engine.IO and Socket.IO know
FLOOD = 1008
TOO_BIG = 1009
SERVICE_RESTART = 1012  # "come back": after it every client does so by itself

# What a client may send in so many seconds: 100 calls, and what the transport needs besides.
FRAMES = 120
FRAME_SECONDS = 10.0


class ProtocolError(Exception):
    """A client breaks the protocol or exceeds a limit; `code` is the close code to send."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def encode_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a complete message as one frame of a server's (unmasked)."""
    head = FINAL | opcode
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", head, size) + payload
    if size < 65536:
        return struct.pack("!BBH", head, 126, size) + payload
    return struct.pack("!BBQ", head, 127, size) + payload


def close_frame(code: int) -> bytes:
    return encode_frame(struct.pack("!H", code), CLOSE)


# A client's frame with a text of one byte: head, mask and that byte
SHORT_HEAD = bytes((FINAL | TEXT, MASKED | 1))
SHORT_BYTES = 7


class RateLimiter:
    """Limits a client's frames: FRAMES at once, an allowance that refills in FRAME_SECONDS."""

    __slots__ = ("_spent_until",)

    def __init__(self) -> None:
        self._spent_until = 0.0

    def take(self) -> None:
        """Count one frame. Raises ProtocolError when it exceeds the limit."""
        now = time.monotonic()
        self._spent_until = max(self._spent_until, now) + FRAME_SECONDS / FRAMES
        if self._spent_until - now > FRAME_SECONDS:
            raise ProtocolError(FLOOD)


class FrameParser:
    """Parses what a client sends, by RFC 6455 and within limits of size and rate."""

    __slots__ = ("_in_parts", "_limiter", "_max_bytes", "_parts", "_rest")

    def __init__(self, largest: int) -> None:
        self._max_bytes = largest  # bytes of a message
        self._rest = b""  # an incomplete frame
        self._parts = b""  # an incomplete message
        self._in_parts = False
        self._limiter = RateLimiter()

    def is_one_byte(self, data: bytes, byte: int) -> bool:
        """Whether `data` is a whole text message of just this byte, and ends no earlier one."""
        return (
            len(data) == SHORT_BYTES
            and data.startswith(SHORT_HEAD)
            and data[2] ^ data[6] == byte
            and not self._rest
            and not self._in_parts
        )

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield `(opcode, payload)` of each complete message and control frame.

        Raises ProtocolError.
        """
        if self._rest:
            data = self._rest + data
        at = 0
        while found := self._frame(data, at):
            first, payload, at = found
            self._limiter.take()
            if first & CONTROL:
                yield first & 0x0F, payload
            elif (message := self._assemble(first, payload)) is not None:
                yield TEXT, message
        self._rest = data[at:]

    def _frame(self, data: bytes, at: int) -> tuple[int, bytes, int] | None:
        """Return first byte and payload of the frame at `at`, and where the next one begins.

        None while the frame is incomplete. Raises ProtocolError.
        """
        begin = at + 2
        if len(data) < begin:
            return None
        first = data[at]
        size = data[at + 1] & 0x7F
        control = first & CONTROL
        if (
            first & RESERVED
            or not data[at + 1] & MASKED
            or (control and (size > 125 or not first & FINAL))
        ):
            raise ProtocolError(PROTOCOL_ERROR)
        if size > 125:
            begin += 2 if size == 126 else 8
            if len(data) < begin:
                return None
            size = int.from_bytes(data[at + 2 : begin])
        if not control and size + len(self._parts) > self._max_bytes:
            raise ProtocolError(TOO_BIG)
        end = begin + 4 + size
        if len(data) < end:
            return None
        return first, _unmask(data[begin + 4 : end], data[begin : begin + 4]), end

    def _assemble(self, first: int, payload: bytes) -> bytes | None:
        opcode = first & 0x0F
        if opcode > BINARY or (opcode == CONTINUATION) != self._in_parts:
            raise ProtocolError(PROTOCOL_ERROR)
        if opcode == BINARY:
            raise ProtocolError(NO_BINARY)
        self._in_parts = not first & FINAL
        if self._in_parts:
            self._parts += payload
            return None
        message = self._parts + payload
        self._parts = b""
        return message


def _unmask(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(pattern)).to_bytes(size)

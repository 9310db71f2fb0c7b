"""Parses the Engine.IO packets in a client's frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import socketio

from headway.engine.frames import (
    CLOSE,
    NO_BINARY,
    NOT_A_MESSAGE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    FrameParser,
    ProtocolError,
)

MESSAGE = "message"
GOODBYE = "goodbye"
ANSWER = b"3"  # to Engine.IO's ping
# Without attachments; an error is the server's to send.
FROM_CLIENTS = (
    socketio.packet.CONNECT,
    socketio.packet.DISCONNECT,
    socketio.packet.EVENT,
    socketio.packet.ACK,
)
# Events by which an app is told of a socket: a client that sends them would be taken at its word.
RESERVED = ("connect", "disconnect")


class ClientPacket(socketio.packet.Packet):  # type: ignore[misc]  # untyped
    """A client's packet: a connect, a disconnect, an event that has a name, or an answer."""

    def decode(self, encoded_packet: str) -> Any:
        """Read the packet; return how many attachments follow it. Raises ValueError."""
        attachments = super().decode(encoded_packet)
        if self.packet_type not in FROM_CLIENTS:
            raise ValueError("A client sent a packet that is the server's to send.")
        if self.packet_type == socketio.packet.EVENT and not self._has_name():
            raise ValueError("A client sent an event without a name of its own.")
        if self.packet_type == socketio.packet.ACK and not self._is_answer():
            raise ValueError("A client sent an answer to no call.")
        return attachments

    def _has_name(self) -> bool:
        """Whether the event has a name, and none that the server itself raises."""
        name = self.data[0] if isinstance(self.data, list) and self.data else None
        return isinstance(name, str) and name not in RESERVED

    def _is_answer(self) -> bool:
        return self.id is not None and isinstance(self.data, list)


def read_packets(frames: FrameParser, data: bytes) -> Iterator[tuple[str | int, bytes]]:
    """Yield `(kind, payload)` of what a client has sent.

    One of (MESSAGE, text), (GOODBYE, b""), (PING, payload), (CLOSE, code to answer with).
    Raises ProtocolError.
    """
    for opcode, payload in frames.feed(data):
        if opcode == TEXT:
            yield from _packet_of(payload)
        elif opcode == PING:
            yield PING, payload
        elif opcode == CLOSE:
            yield CLOSE, _code_of(payload)
        elif opcode != PONG:
            raise ProtocolError(PROTOCOL_ERROR)


def check_message(message: str | bytes) -> None:
    """Raise ProtocolError for a message that is no packet which can be handled."""
    if isinstance(message, bytes):
        raise ProtocolError(NO_BINARY)
    for kind, text in _packet_of(message.encode()):
        if kind == MESSAGE and not is_sound(text.decode()):
            raise ProtocolError(NOT_A_MESSAGE)


def is_sound(text: str) -> bool:
    """Whether a message is a packet that Socket.IO can handle."""
    try:
        ClientPacket(encoded_packet=text)
    except Exception:  # of many types, among them the JSON decoder's RecursionError
        return False
    return True


def _packet_of(payload: bytes) -> Iterator[tuple[str | int, bytes]]:
    _check_text(payload)
    kind = payload[:1]
    if kind == b"4":
        if payload[1:2] in (b"5", b"6"):
            # A Socket.IO packet with binary attachments, which the server would wait for.
            raise ProtocolError(NO_BINARY)
        yield MESSAGE, payload[1:]
    elif kind == b"1":
        yield GOODBYE, b""
    elif kind != ANSWER:
        raise ProtocolError(NOT_A_MESSAGE)


def _code_of(payload: bytes) -> bytes:
    """Return the code of a close frame, b"" for none. Raises ProtocolError."""
    if len(payload) == 1:
        raise ProtocolError(PROTOCOL_ERROR)
    if payload:
        code = int.from_bytes(payload[:2])
        if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            raise ProtocolError(PROTOCOL_ERROR)
        _check_text(payload[2:])
    return payload[:2]


def _check_text(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise ProtocolError(NOT_A_MESSAGE) from None

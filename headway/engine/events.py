"""Events that go to many clients, each encoded once."""

from __future__ import annotations

from typing import Any

from engineio import packet

from headway.engine.frames import encode_frame


class Event:
    """An event that goes to many clients, encoded once for all of them."""

    LINES = "lines"  # the key of log lines: all are queued, as far as there is room

    __slots__ = ("_packet", "frame", "key", "text")

    def __init__(self, text: bytes, key: str | None = None) -> None:
        """Encode the Socket.IO packet `text`.

        Of the events with the same `key` that are queued for a client only the newest is sent.
        """
        self.text = text
        self.key = key
        self.frame = encode_frame(b"4" + text)
        self._packet: Any = None

    @property
    def packet(self) -> Any:
        """The event as a packet, for Engine.IO's own sockets."""
        if self._packet is None:
            self._packet = packet.Packet(packet.MESSAGE, self.text.decode())
        return self._packet

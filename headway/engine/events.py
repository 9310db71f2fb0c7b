"""Events that go to many clients, each encoded once."""

from __future__ import annotations

from typing import Any

from engineio import packet

from headway.engine.frames import frame


class Event:
    """What goes to many clients: encoded once for all of them."""

    LINES = "lines"  # the key of log lines: all are kept, as far as there is room

    __slots__ = ("_packet", "frame", "key", "text")

    def __init__(self, text: bytes, key: str | None = None) -> None:
        """`text` is a Socket.IO packet.

        Of those that wait for a client with one `key` only the newest is sent.
        """
        self.text = text
        self.key = key
        self.frame = frame(b"4" + text)
        self._packet: Any = None

    @property
    def packet(self) -> Any:
        """The same for Engine.IO's own sockets."""
        if self._packet is None:
            self._packet = packet.Packet(packet.MESSAGE, self.text.decode())
        return self._packet

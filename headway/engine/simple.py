"""simple-websocket, the driver of gevent and of threads, with the limits that it lacks.

It reads on whatever is not handled yet, sends in part what does not fit, and at times waits without
end for a message of a client whose last one was too big.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, SupportsIndex

MAX_UNREAD = 8  # messages of a client that wait; beyond it the client is not read on

LAST_FRAME_SECONDS = 2.0


class Unread(list[Any]):
    """Messages read and not yet taken; the reader pauses while there are too many."""

    def __init__(self, room: Any) -> None:
        """`room` is an event of the mode's."""
        super().__init__()
        self._room = room
        self._has_ended = False

    def append(self, message: Any) -> None:
        """Queue a message, once there is room."""
        while len(self) >= MAX_UNREAD and not self._has_ended:
            self._room.wait()
            self._room.clear()
        super().append(message)

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Return a message that waits. Raises IndexError."""
        message = super().pop(index)
        self._room.set()
        return message

    def end(self) -> None:
        """Release a reader that waits for room, as no more messages will be taken."""
        self._has_ended = True
        self._room.set()


class WholeSends:
    """A connection whose sends are never interleaved."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def send(self, data: bytes) -> int:
        """Send all of it; the reader sends too, the answers to pings."""
        with self._lock:
            self.connection.sendall(data)
        return len(data)


def limit(options: dict[str, Any], max_bytes: int) -> None:
    """Add limits for what one client may send to the options of a websocket."""
    start = options.get("thread_class") or threading.Thread
    options.update(max_message_size=max_bytes, thread_class=partial(_reader, start))


def let_go(websocket: Any) -> None:
    """Have a websocket's reader end, which may have a last frame to send."""
    websocket.input_buffer.end()
    websocket.thread.join(LAST_FRAME_SECONDS)


def _reader(start: Callable[..., Any], target: Any) -> Any:
    """Return the thread that reads for a websocket, which it has not begun to."""
    websocket = target.__self__
    websocket.input_buffer = Unread(type(websocket.event)())
    websocket.sock = WholeSends(websocket.sock)
    return start(target=partial(_read, websocket, target))


def _read(websocket: Any, read: Callable[[], None]) -> None:
    try:
        read()
    finally:
        websocket.connected = False
        websocket.event.set()  # wakes a waiting reader, which then sees the end

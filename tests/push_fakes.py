"""Stand-ins for what is around the fan-out: its subscription to Redis, and the sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

from headway.engine.events import Event
from headway.push.manager import RoomManager


class Subscriptions:
    """The channels that stand; `pause` is called in the middle of an unsubscription."""

    def __init__(self, pause: Callable[[], object]) -> None:
        self.channels: set[str] = set()
        self.subscribe = self.channels.add
        self._pause = pause

    def unsubscribe(self, channel: str) -> None:
        self._pause()
        self.channels.discard(channel)


class Arrivals:
    """A hearing at which messages arrive, all at once, when the test says so."""

    session = 1
    received_at = inf

    def __init__(self) -> None:
        self.arriving: list[tuple[str, bytes]] = []
        self.renewed = threading.Event()
        self.is_broken = False

    def break_connection(self) -> None:
        self.is_broken = True

    def subscribe(self, channel: str) -> None:
        """All subscriptions stand."""

    unsubscribe = subscribe

    def wait(self, channels: list[str], seconds: float) -> None:
        """They are confirmed."""

    def listen(self, read: Any, deliver: Any) -> Iterator[list[tuple[str, bytes]]]:
        yield deliver(self.arriving)


class Sockets:
    """A server and its engine: what was sent to whom.

    `at_turn` is called when others have their turn.
    """

    read = None

    def __init__(self) -> None:
        self.eio = self
        self.sent: list[tuple[str, Any]] = []
        self.at_turn: Callable[[], object] = list

    def sender_for(self, sid: str) -> Callable[[Event], None]:
        return lambda event: self.sent.append((sid, json.loads(event.text[1:])))

    def yield_turn(self) -> None:
        self.at_turn()

    def versions(self, sid: str) -> list[int]:
        return [payload["version"] for one, (_, payload) in self.sent if one == sid]


def snapshot(version: int, task_id: str = "x") -> bytes:
    return b'["snapshot",{"task_id":"%s","version":%d,"phase":"running"}]' % (
        task_id.encode(),
        version,
    )


def arrive(manager: RoomManager, *messages: tuple[str, bytes]) -> None:
    """Have these messages of rooms arrive at once."""
    manager.subscriber.arriving = [
        (f"flask-socketio:{name}", message) for name, message in messages
    ]
    assert list(manager._listen()) == []

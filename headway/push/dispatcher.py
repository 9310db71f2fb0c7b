"""Dispatches what Redis publishes for a web process: room events, heartbeats, revocations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headway.push.checks import is_object, refuse
from headway.push.fanout import Fanout
from headway.push.subscriber import Messages


class Dispatcher:
    """Delivers the messages of rooms' channels, and hands all others to their receivers."""

    def __init__(self, manager: Any, fanout: Fanout) -> None:
        self._manager = manager
        self._fanout = fanout
        self._before_room = manager.channel_of("")
        self._receivers = {
            one.channel: one.receive for one in (manager.heartbeat, manager.revocations)
        }
        for channel in (manager.channel, *self._receivers):
            manager.subscriber.subscribe(channel)

    def listen(self) -> Iterator[bytes]:
        """Receive for ever; yield the messages of the message queue's common channel."""
        subscriber = self._manager.subscriber
        for messages in subscriber.listen(self._manager.server.eio.read, self._deliver):
            for channel, message in messages:
                if channel == self._manager.channel:
                    if is_object(message):
                        yield message
                elif receive := self._receivers.get(channel):
                    receive(message)
                else:
                    refuse(f"room {channel.removeprefix(self._before_room)}")

    def _deliver(self, messages: Messages) -> Messages:
        """Deliver the messages of rooms' channels; return all others, and those that are no events.

        The loop's thread calls it, so it must neither block nor log.
        """
        of_rooms: Messages = []
        rest: Messages = []
        for channel, message in messages:
            if channel == self._manager.channel or channel in self._receivers:
                rest.append((channel, message))
            else:
                self._manager.polls.note(channel)
                of_rooms.append((channel.removeprefix(self._before_room), message))
        refused = self._fanout.deliver_batch(of_rooms)
        return rest + [(self._before_room + name, message) for name, message in refused]

"""The channels that a connection has subscribed to, and which of them Redis has confirmed."""

from __future__ import annotations

import threading
from collections.abc import Iterable

Command = tuple[str, str]  # SUBSCRIBE or UNSUBSCRIBE, and a channel


class Subscriptions:
    """The wanted channels, and what Redis has answered on the current connection.

    Redis answers SUBSCRIBEs in order, so the n-th answer on a connection confirms the n-th
    SUBSCRIBE. An answer to an earlier subscription of the same channel, given up since, confirms
    nothing. Not thread-safe by itself.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # of each channel's SUBSCRIBE on this connection
        self._asked = 0
        self._answered = 0
        self._unsent: list[Command] = []
        self._waiting: dict[int, threading.Event] = {}  # by the number of the awaited answer

    @property
    def has_unsent(self) -> bool:
        """Whether there are commands for `take_unsent` to take."""
        return bool(self._unsent)

    def add(self, channel: str) -> None:
        """Subscribe to a channel, unless it is wanted already."""
        if channel not in self._numbers:
            self._ask(channel)

    def remove(self, channel: str) -> None:
        """Unsubscribe from a channel, if it is wanted."""
        if self._numbers.pop(channel, None):
            self._unsent.append(("UNSUBSCRIBE", channel))

    def confirmed(self, channel: str) -> int:
        """Return the number of the SUBSCRIBE by which this channel is confirmed, 0 for none."""
        number = self._numbers.get(channel, 0)
        return number if number <= self._answered else 0

    def missing(self, channels: Iterable[str]) -> int:
        """Return the number of the last answer that these channels still await, 0 for none."""
        beyond = self._asked + 1  # for a channel that is no longer wanted
        number = max((self._numbers.get(channel, beyond) for channel in channels), default=0)
        return number if number > self._answered else 0

    def answer(self, number: int) -> threading.Event:
        """Return the event that is set when this answer arrives, or a new connection is made."""
        return self._waiting.setdefault(number, threading.Event())

    def confirm(self) -> threading.Event | None:
        """Count the next answer; return the event that its waiters wait for, if there are any."""
        self._answered += 1
        return self._waiting.pop(self._answered, None)

    def take_unsent(self) -> list[Command]:
        """Return the commands to send, once."""
        commands = self._unsent
        self._unsent = []
        return commands

    def lose_answers(self) -> None:
        """Note that the connection, with all its confirmations, is gone."""
        self._answered = 0

    def ask_again(self) -> None:
        """Queue a SUBSCRIBE for every wanted channel, for a new connection."""
        self._asked = 0
        self._answered = 0
        self._unsent.clear()
        for channel in self._numbers:
            self._ask(channel)

    def take_waiting(self) -> list[threading.Event]:
        """Return the events of all waiters on the former connection, once."""
        waiting = self._waiting
        self._waiting = {}
        return list(waiting.values())

    def _ask(self, channel: str) -> None:
        self._asked += 1
        self._numbers[channel] = self._asked
        self._unsent.append(("SUBSCRIBE", channel))

"""Which channels a connection has asked Redis for, and which of them Redis has confirmed."""

from __future__ import annotations

import threading
from collections.abc import Iterable

Command = tuple[str, str]  # SUBSCRIBE or UNSUBSCRIBE, and a channel


class Subscriptions:
    """The channels that are wanted, and the answers of the connection that stands.

    Redis answers SUBSCRIBEs in their order, so the n-th answer on a connection confirms the n-th
    one; an answer to an earlier subscription of the same channel, given up since, confirms nothing.
    Not safe for threads by itself.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # of each channel's SUBSCRIBE on this connection
        self._asked = 0
        self._answered = 0
        self._unsent: list[Command] = []
        self._waiting: dict[int, threading.Event] = {}  # by the number whose answer is waited for

    @property
    def has_unsent(self) -> bool:
        """Whether something was asked that `take_unsent` has not given out."""
        return bool(self._unsent)

    def add(self, channel: str) -> None:
        """Ask for a channel; one that is wanted already is kept."""
        if channel not in self._numbers:
            self._ask(channel)

    def remove(self, channel: str) -> None:
        """Give a channel up."""
        if self._numbers.pop(channel, None):
            self._unsent.append(("UNSUBSCRIBE", channel))

    def is_confirmed(self, channel: str) -> bool:
        """Whether Redis has confirmed this channel on the current connection."""
        return 0 < self._numbers.get(channel, 0) <= self._answered

    def missing(self, channels: Iterable[str]) -> int:
        """Return the number of the last answer that is missing for these, 0 for none."""
        beyond = self._asked + 1  # of a channel that nobody wants any more
        number = max((self._numbers.get(channel, beyond) for channel in channels), default=0)
        return number if number > self._answered else 0

    def answer(self, number: int) -> threading.Event:
        """Return what is set when an answer has come, or the connection has gone."""
        return self._waiting.setdefault(number, threading.Event())

    def confirm(self) -> threading.Event | None:
        """Note the next answer; return what its waiters wait for, if any do."""
        self._answered += 1
        return self._waiting.pop(self._answered, None)

    def take_unsent(self) -> list[Command]:
        """Take what has to be sent."""
        commands = self._unsent
        self._unsent = []
        return commands

    def lose_answers(self) -> None:
        """Note that the connection, and all that it has confirmed, is gone."""
        self._answered = 0

    def ask_again(self) -> None:
        """Ask a new connection for all that is wanted."""
        self._asked = 0
        self._answered = 0
        self._unsent.clear()
        for channel in self._numbers:
            self._ask(channel)

    def take_waiting(self) -> list[threading.Event]:
        """Take what is waited for by those who asked the connection before."""
        waiting = self._waiting
        self._waiting = {}
        return list(waiting.values())

    def _ask(self, channel: str) -> None:
        self._asked += 1
        self._numbers[channel] = self._asked
        self._unsent.append(("SUBSCRIBE", channel))

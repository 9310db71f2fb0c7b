"""The open connections of each address: no more than so many at a time.

One more takes the place of the connection whose client the server has waited for the longest: first
one on which no request has begun, as a browser keeps it for its next, then one whose request does
not come to its end. So slow requests displace each other, and nobody else's.
"""

from __future__ import annotations

from _thread import RLock  # which no async mode patches: nothing that waits is done under it
from collections.abc import Callable
from enum import Enum, auto

from headway.limits import subject_of


class Awaited(Enum):
    """What a server waits for on a connection."""

    REQUEST = auto()
    REST = auto()  # of a request that has begun
    NOTHING = auto()  # of the client: it is being answered


class TrackedConnection:
    """What is known of one connection.

    `is_refused`: its address has no room for it. `is_cut`: it has given way to another.
    """

    __slots__ = ("_end", "_limiter", "_siblings", "is_cut", "is_refused")

    def __init__(
        self, limiter: ConnectionLimiter | None = None, siblings: AddressConnections | None = None
    ) -> None:
        self._limiter = limiter
        self._siblings = siblings
        self._end: Callable[[], None] | None = None
        self.is_refused = False
        self.is_cut = False

    def ends_by(self, end: Callable[[], None]) -> None:
        """Set what ends a wait for the connection; it is called at once if that is cut already."""
        self._end = end
        if self.is_cut:
            end()

    def cut(self) -> None:
        """End the wait for the connection, now or when there is one."""
        self.is_cut = True
        if self._end is not None:
            self._end()

    def awaits(self, awaited: Awaited) -> None:
        """Note what the server waits for from now on."""
        if self._siblings is not None and self._limiter is not None:
            self._limiter.note(self, self._siblings, awaited)


class AddressConnections:
    """The connections of one address; those that are waited for are in their order."""

    __slots__ = ("all", "awaited")

    def __init__(self) -> None:
        self.all: set[TrackedConnection] = set()
        self.awaited: dict[Awaited, dict[TrackedConnection, None]] = {
            Awaited.REQUEST: {},
            Awaited.REST: {},
        }

    def remove(self, connection: TrackedConnection) -> None:
        self.all.discard(connection)
        for waiting in self.awaited.values():
            waiting.pop(connection, None)

    def take_longest_awaited(self) -> TrackedConnection | None:
        """Remove the connection that has been waited for the longest, if any is, and return it."""
        for waiting in self.awaited.values():
            for connection in waiting:
                self.remove(connection)
                return connection
        return None


class ConnectionLimiter:
    """The connections of all addresses of a web process, at most `most` of each, if that is set."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._by_subject: dict[str, AddressConnections] = {}
        self._lock = RLock()

    def enter(self, address: str) -> TrackedConnection:
        """Return what is known of a new connection from an address."""
        if self._most is None:
            return TrackedConnection()
        longest = None
        with self._lock:
            connections = self._by_subject.setdefault(subject_of(address), AddressConnections())
            connection = TrackedConnection(self, connections)
            if len(connections.all) >= self._most:
                longest = connections.take_longest_awaited()
                connection.is_refused = longest is None
            connections.all.add(connection)
            if not connection.is_refused:
                connections.awaited[Awaited.REQUEST][connection] = None
        if longest is not None:
            longest.cut()
        return connection

    def leave(self, address: str, connection: TrackedConnection) -> None:
        """Note that a connection has ended, or is no longer one of HTTP."""
        with self._lock:
            connections = self._by_subject.get(subject_of(address))
            if connections is not None:
                connections.remove(connection)
                if not connections.all:
                    del self._by_subject[subject_of(address)]

    def note(
        self, connection: TrackedConnection, connections: AddressConnections, awaited: Awaited
    ) -> None:
        """Note what is waited for on a connection, unless it has given way to another."""
        with self._lock:
            if connection not in connections.all:
                return
            for waiting in connections.awaited.values():
                waiting.pop(connection, None)
            if awaited in connections.awaited:
                connections.awaited[awaited][connection] = None

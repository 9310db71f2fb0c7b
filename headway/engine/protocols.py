"""The interfaces between a socket and its engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """Pings sockets."""

    def join(self, socket: Any) -> set[Any]: ...


class Loop(Protocol):
    """Serves the connections of sockets."""

    IN: int
    OUT: int
    GONE: int

    @property
    def clock(self) -> Timer: ...
    def register(self, socket: Any) -> None: ...
    def update_interest(self, socket: Any) -> None: ...
    def block(self, socket: Any) -> None: ...
    def unblock(self, socket: Any) -> None: ...
    def linger(self, socket: Any) -> None: ...
    def unregister(self, socket: Any) -> None: ...


class Engine(Protocol):
    """The server of a socket."""

    handlers: dict[str, Callable[..., Any]]
    max_http_buffer_size: int
    reason: Any

    @property
    def loop(self) -> Loop: ...
    def enter(self, socket: Any) -> None: ...
    def forget(self, socket: Any) -> None: ...
    def has_work(self, socket: Any) -> None: ...

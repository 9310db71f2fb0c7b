"""Messages of a client that have not been handled yet."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from headway.engine.packets import is_sound
from headway.engine.shares import Share

logger = logging.getLogger(__name__)

UNREAD_BYTES = 64 * 1024  # of unhandled calls; beyond it reading from the client pauses


class Inbox:
    """Messages of one socket, handled one at a time and in order; its disconnect comes last."""

    __slots__ = ("_environ", "_is_paused", "_share", "_unread", "_waiting")

    def __init__(self, environ: dict[str, Any], share: Share) -> None:
        """`share` is the client's, which may have other websockets."""
        self._environ = environ
        self._share = share
        # None when idle: nothing waits, and nothing is being handled.
        self._waiting: deque[tuple[str, str]] | None = None
        self._is_paused = False
        self._unread = 0  # bytes that wait or are being handled

    @property
    def is_full(self) -> bool:
        return self._unread > UNREAD_BYTES

    @property
    def is_greedy(self) -> bool:
        """Whether the client has asked for more than its share."""
        return self._share.is_used_up

    def add(self, event: str, data: str) -> bool:
        """Queue an event; return whether the inbox was idle before."""
        was_idle = self._waiting is None
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((event, data))
        self._unread += len(data)
        return was_idle

    def next(self) -> tuple[str, str]:
        """Return the oldest event; call `handled` when it has been handled."""
        assert self._waiting
        return self._waiting.popleft()

    def handle(
        self, handlers: Mapping[str, Callable[..., Any]], sid: str, event: str, data: str
    ) -> bool:
        """Call the event's handler; return False if the client has sent what it may not."""
        try:
            handlers[event](sid, data)
        except KeyboardInterrupt:
            raise
        except BaseException:  # a handler may call sys.exit, or raise a green library's time-out
            if event == "message" and not is_sound(data):
                return False
            logger.exception("A socket's %s could not be handled", event)
        return True

    def handled(self, data: str, answered: int) -> bool:
        """Note that an event was handled, with so many bytes of answers.

        Returns whether more wait.
        """
        self._share.spend(len(data) + answered)
        self._environ.pop("werkzeug.request", None)  # left there by a request context
        self._unread -= len(data)
        if not self._waiting:
            self._waiting = None
        return self._waiting is not None

    def pause(self) -> None:
        """Note that what waits is not handled until `resume`."""
        self._is_paused = True

    def resume(self) -> bool:
        """Return whether it was paused, and is no more."""
        was_paused = self._is_paused
        self._is_paused = False
        return was_paused

    def clear(self) -> None:
        """Discard what waits."""
        while self._waiting:
            self._unread -= len(self._waiting.pop()[1])

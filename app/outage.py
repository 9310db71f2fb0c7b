"""An outage of the mail server: how long emails wait for it, and one log line about it.

The server is away or refuses the login. That is not the fault of any email, so waiting uses up no
attempt.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any, Protocol

from app.mail_errors import MailUnavailable
from headway import RedisUnavailable

logger = logging.getLogger(__name__)

KEY = "headway:mail-outage"
TTL_SECONDS = 600  # how long the key marks an outage as logged
MAX_WAIT_SECONDS = 60.0  # emails go on so soon after the server is back
SPREAD = 0.2  # of a wait, so that the waiting emails do not all come at once


class Redis(Protocol):
    """What an outage needs of a Redis client."""

    def set(self, name: str, value: str, *, nx: bool, ex: int) -> Any: ...
    def delete(self, *names: str) -> Any: ...


class Outage:
    """What this process knows of an outage: how long emails have to wait."""

    def __init__(self) -> None:
        self._is_met = False
        self._wait = 0.0
        self._until = 0.0

    def meet(self, obstacle: MailUnavailable, waits: tuple[float, float], client: Redis) -> float:
        """Note that no mail can be sent, log it once, and return an email's wait in seconds.

        `waits` are the shortest and the longest wait, in seconds.
        """
        left = self._until - time.monotonic()
        if not self._is_met or left <= 0:
            if not self._is_met:
                self._say(obstacle, client)
            shortest, longest = waits
            left = self._wait = max(shortest, min(2 * self._wait, longest))
            self._until = time.monotonic() + left
            self._is_met = True
        return left * (1 + random.uniform(0, SPREAD))

    def end(self, client: Redis) -> None:
        """Note that the mail server has replied to a message."""
        if not self._is_met:
            return
        self._is_met = False
        self._wait = 0.0
        try:
            if client.delete(KEY):
                logger.warning("The mail server takes mail again")
        except RedisUnavailable:
            return  # the key expires

    def _say(self, obstacle: MailUnavailable, client: Redis) -> None:
        try:
            is_first = client.set(KEY, str(obstacle), nx=True, ex=TTL_SECONDS)
        except RedisUnavailable:
            is_first = True
        if is_first:
            logger.warning("Emails wait: %s", obstacle)


OUTAGE = Outage()

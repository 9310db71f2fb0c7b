"""A mail server that takes no mail from anybody now: how long emails wait for it, and what is said
of that once.

It is away, or refuses the login: not the fault of any email, so none of them uses up an attempt by
it.
"""

from __future__ import annotations

import logging
import random
import time

from app.mail_errors import MailUnavailable
from headway.store.connection import Client
from headway.store.errors import Unavailable

logger = logging.getLogger(__name__)

KEY = "headway:mail-outage"
KEPT_SECONDS = 600  # since it was last met, so that a later outage is said again
MAX_WAIT_SECONDS = 60.0  # seconds: so soon after it was mended does mail go on
SPREAD = 0.2  # of a wait, so that what waits does not come all at once


class Outage:
    """What this process knows of it: how long the emails that meet it are to wait."""

    def __init__(self) -> None:
        self._is_met = False
        self._wait = 0.0
        self._until = 0.0

    def meet(self, obstacle: MailUnavailable, waits: tuple[float, float], client: Client) -> float:
        """Note that mail cannot be sent, and say so once.

        Returns in how many seconds an email is to be tried again.

        `waits` are the shortest and the longest, in seconds.
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

    def end(self, client: Client) -> None:
        """Note that the mail server has answered for a message."""
        if not self._is_met:
            return
        self._is_met = False
        self._wait = 0.0
        try:
            if client.delete(KEY):
                logger.warning("The mail server takes mail again")
        except Unavailable:
            return  # it is forgotten by itself

    def _say(self, obstacle: MailUnavailable, client: Client) -> None:
        try:
            is_first = client.set(KEY, str(obstacle), nx=True, ex=KEPT_SECONDS)
        except Unavailable:
            is_first = True
        if is_first:
            logger.warning("Emails wait: %s", obstacle)


OUTAGE = Outage()

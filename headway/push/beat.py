"""The beat: a web process proves, all the time, that it hears what is published."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

from headway.push.resync import Resync
from headway.push.server_status import ServerStatus
from headway.push.subscriber import QUEUE, Deaf
from headway.store.connection import Reason, TakesNoWrites, Unavailable

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
DEAF_SECONDS = 3.0  # a beat that has not come back by then will not come
LIVE_SECONDS = BEAT_SECONDS + DEAF_SECONDS  # for which a beat that came back proves that this process hears
RETRY_SECONDS = 0.5  # to the next beat while something is wrong


class Beat:
    """Sends itself a beat through Redis every other second, and mends what is wrong when it does not come back."""

    def __init__(self, manager: Any, resync: Resync, status: ServerStatus) -> None:
        self._manager = manager
        self._resync = resync
        self._status = status
        self.channel = f"{QUEUE}:process:{uuid4().hex}"
        self._heard = threading.Condition()
        self.proven_at = float("-inf")  # when the newest beat that came back was sent

    def prove(self, seconds: float) -> bool:
        """Send a beat through Redis and wait for it; False when it does not come back in time.

        Raises connection.Unavailable when it cannot even be sent.
        """
        self._manager.initialize()
        deadline = time.monotonic() + seconds
        with suppress(Deaf):
            self._manager.hearing.wait([self.channel], seconds)
            sent_at = time.monotonic()
            self._manager.records.client.publish(self.channel, repr(sent_at))
            with self._heard:
                left = deadline - time.monotonic()
                return self._heard.wait_for(lambda: self.proven_at >= sent_at, left)
        return False

    def hear(self, sent_at: float) -> None:
        """Note that a beat has come back."""
        with self._heard:
            self.proven_at = max(self.proven_at, sent_at)
            self._heard.notify_all()

    def run(self) -> None:
        while True:
            well = self.is_well()
            self._status.announce()
            self._manager.hearing.renewed.wait(BEAT_SECONDS if well else RETRY_SECONDS)

    def is_well(self) -> bool:
        """Prove that this process hears, and mend what it missed; False when that has to be tried again soon."""
        self._manager.hearing.renewed.clear()
        if not self._manager.hearing.session:
            return False
        if time.monotonic() - self._manager.hearing.heard_at > LIVE_SECONDS:
            self._manager.hearing.drop()  # our own beats are heard all the time: a connection that stays silent is none
            return False
        try:
            if self._manager.hearing.session != self._resync.session:
                self._resync.start_anew()
            if not self.prove(DEAF_SECONDS):
                self._manager.hearing.drop()
                return False
            self._resync.notice_emptying()
            self._resync.catch_up()
            self._status.overview = self._manager.records.queries.overview()
            self._manager.records.queries.probe()
        except Deaf:
            return False
        except Unavailable as error:
            if error.reason is Reason.UNREACHABLE:
                logger.debug("Redis is away: %s", error)
                self._resync.drop_idle_connections()
                return False
            self._status.note(error)
            return isinstance(error, TakesNoWrites)
        except Exception:  # the beat has to go on, whatever it meets
            logger.exception("The beat failed")
            return False
        self._status.note(None)
        return True

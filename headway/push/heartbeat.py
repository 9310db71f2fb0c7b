"""The heartbeat by which a web process proves that it receives what Redis publishes."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

from headway.push.resync import Resync
from headway.push.server_status import ServerStatus
from headway.push.subscriber import SubscriptionTimeout
from headway.store.errors import ReadOnly, Reason, RedisUnavailable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
ROUND_TRIP_SECONDS = 3.0  # a heartbeat that has not come back by then counts as lost
# A heartbeat that came back proves for so long that this process receives.
LIVE_SECONDS = HEARTBEAT_SECONDS + ROUND_TRIP_SECONDS
RETRY_SECONDS = 0.5  # to the next heartbeat while something is wrong


class Heartbeat:
    """Sends itself a message through Redis every 2 s; reconnects when one does not come back."""

    def __init__(self, manager: Any, resync: Resync, status: ServerStatus) -> None:
        self._manager = manager
        self._resync = resync
        self._status = status
        self.channel = manager.channel_of(f"process:{uuid4().hex}")
        self._received = threading.Condition()
        self.proven_at = float("-inf")  # send time of the newest heartbeat that came back

    def round_trip(self, seconds: float) -> bool:
        """Send a heartbeat through Redis; return whether it came back within `seconds`.

        Raises RedisUnavailable when it cannot even be sent.
        """
        self._manager.initialize()
        deadline = time.monotonic() + seconds
        with suppress(SubscriptionTimeout):
            self._manager.subscriber.wait([self.channel], seconds)
            sent_at = time.monotonic()
            self._manager.records.client.publish(self.channel, repr(sent_at))
            with self._received:
                left = deadline - time.monotonic()
                return self._received.wait_for(lambda: self.proven_at >= sent_at, left)
        return False

    def receive(self, message: bytes) -> None:
        """Note that the heartbeat sent at this time (monotonic seconds) has come back."""
        try:
            sent_at = float(message)
        except ValueError:
            return
        if not sent_at <= time.monotonic():  # also NaN
            return
        with self._received:
            self.proven_at = max(self.proven_at, sent_at)
            self._received.notify_all()

    def run(self) -> None:
        while True:
            well = self.check_health()
            self._status.announce()
            self._manager.subscriber.renewed.wait(HEARTBEAT_SECONDS if well else RETRY_SECONDS)

    def check_health(self) -> bool:
        """Make a round trip and reread what was missed.

        Returns False where this has to be repeated soon.
        """
        self._manager.subscriber.renewed.clear()
        if not self._manager.subscriber.session:
            return False
        if time.monotonic() - self._manager.subscriber.received_at > LIVE_SECONDS:
            # Our own heartbeats arrive all the time, so a silent connection is dead.
            self._manager.subscriber.break_connection()
            return False
        try:
            if self._manager.subscriber.session != self._resync.session:
                self._resync.on_reconnect()
            if not self.round_trip(ROUND_TRIP_SECONDS):
                self._manager.subscriber.break_connection()
                return False
            self._resync.detect_flush()
            self._resync.catch_up()
            self._manager.polls.forget_idle()
            self._manager.revocations.check()
            self._manager.server.eio.renew_counts()
            self._status.note_overview(self._manager.records.queries.overview())
            self._manager.records.queries.probe()
        except SubscriptionTimeout:
            return False
        except RedisUnavailable as error:
            if error.reason is Reason.UNREACHABLE:
                logger.debug("Redis is away: %s", error)
                self._resync.drop_idle_connections()
                return False
            self._status.note(error)
            return isinstance(error, ReadOnly)
        except Exception:  # nothing may end the heartbeat
            logger.exception("The heartbeat failed")
            return False
        self._status.note(None)
        return True

"""The `server` event: the state of a web process and of the workers, for its clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from headway.display.labels import LABELS
from headway.engine.events import Event
from headway.push.resync import NAMESPACE
from headway.snapshot import fragment, rfc3339
from headway.store.errors import SENTENCES, Problem, RedisUnavailable
from headway.store.model import Overview

logger = logging.getLogger(__name__)

ANNOUNCE_SECONDS = 5.0
RECENT_SECONDS = 2.5  # for which an overview counts as recent: a heartbeat brings the next


class ServerStatus:
    """Keeps the state of this process, and sends it to all clients when it changes."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.overview: Mapping[str, Any] = dict.fromkeys(Overview.__annotations__)  # not known yet
        self._overview_at = float("-inf")
        self._trouble: RedisUnavailable | None = None  # why Redis refuses tasks, though it answers
        self._state: dict[str, Any] = {}
        self._state_event = Event(b"")
        self._announced: dict[str, Any] = {}
        self._announced_at = float("-inf")

    def note_overview(self, overview: Overview) -> None:
        """Take an overview that was read just now."""
        self.overview = overview
        self._overview_at = time.monotonic()

    def recent(self) -> dict[str, Any]:
        """Return what `state` does, with `now` as it is now.

        Uses the overview of the last heartbeat; if that is too old, reads one. Raises
        RedisUnavailable.
        """
        age = time.monotonic() - self._overview_at
        if age > RECENT_SECONDS:
            return self.state(self._manager.records.queries.overview())
        now = datetime.fromisoformat(self.overview["now"]) + timedelta(seconds=age)
        return {**self.state(), "now": rfc3339(now)}

    def note(self, trouble: RedisUnavailable | None) -> None:
        """Note why Redis refuses tasks, None if it takes them; log changes."""
        if trouble and (self._trouble is None or self._trouble.reason != trouble.reason):
            logger.warning("%s: %s", SENTENCES[trouble.reason], trouble)
        elif self._trouble and not trouble:
            logger.warning("Redis takes tasks again")
        self._trouble = trouble

    @property
    def problem(self) -> Problem | None:
        """Why no task can be started now though Redis answers, None if no reason is known."""
        return self._trouble.problem if self._trouble else None

    def announce(self) -> None:
        """Send the state to all clients if it has changed.

        A change of `live` or `problem` goes out at once, others every ANNOUNCE_SECONDS at most.
        """
        event = self.event()
        news = {key: value for key, value in self._state.items() if key != "now"}
        turned = any(news[key] != self._announced.get(key) for key in ("live", "problem"))
        due = time.monotonic() - self._announced_at >= ANNOUNCE_SECONDS
        if turned or (due and news != self._announced):
            self._announced = news
            self._announced_at = time.monotonic()
            for _, eio_sid in self._manager.get_participants(NAMESPACE, None):
                self._manager.server.eio.sender_for(eio_sid)(event)

    def state(self, overview: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return `live`, `problem`, `labels` and an overview, by default the last one read."""
        return {
            "live": self._manager.live,
            **(self.overview if overview is None else overview),
            "problem": self.problem,
            "labels": {name: labels for name, labels in LABELS.items() if labels},
        }

    def event(self) -> Event:
        """Return the `server` event, which carries what `state` returns."""
        state = self.state()
        if state != self._state:
            self._state = state
            self._state_event = Event(f'2["server",{fragment(state)}]'.encode(), "server")
        return self._state_event

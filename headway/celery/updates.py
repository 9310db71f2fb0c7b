"""What a run says by `update_state`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from celery.app.task import Context

from headway.celery.persistence import UNSTORED
from headway.celery.runs import Stopped
from headway.store.connection import Line

OFTEN_SECONDS = 0.05  # a report that comes so soon after another does not wait for its reply
LONG_SECONDS = 0.2


class Updates:
    """What a run says by `update_state`. One that says much waits for no reply: it is heeded after its next word."""

    def __init__(self) -> None:
        self._said_at = -inf
        self._line: Line | None = None
        self._unheard: deque[Callable[[], str]] = deque()  # two at most
        self._saying = threading.Lock()  # of a run's threads, one at a time

    def say(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        """Send a report. Raises Stopped when the run has to end."""
        with self._saying:
            self._say(backend, request, state, meta)

    def _say(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        began = time.monotonic()
        line = self._line = self._line or backend.records.client.line()
        if not line.has_reply:
            self._heed()
            if time.monotonic() - began > LONG_SECONDS:
                return  # Redis hangs, and a report may not hold up its task for long; the next one says it anew
        self._unheard.append(backend.runs.begin_report(request, state, meta, line))
        self._heed(all_but=1 if began - self._said_at <= OFTEN_SECONDS else 0)
        self._said_at = time.monotonic()

    def close(self) -> None:
        """Hear what Redis has said, which is of no use any more."""
        with self._saying:
            while self._unheard:
                self._unheard.popleft()()

    def _heed(self, all_but: int = 0) -> None:
        while len(self._unheard) > all_but:
            verdict = self._unheard.popleft()()
            if verdict not in ("written", UNSTORED):
                raise Stopped(verdict)

"""Sends the reports that a run makes by `update_state`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any

from celery.app.task import Context

from headway.celery.run.runs import Stopped
from headway.store.model import Outcome

OFTEN_SECONDS = 0.05  # a report this soon after another does not wait for its reply
LONG_SECONDS = 0.2


class ReportSender:
    """Sends a run's `update_state` reports, one at a time.

    A report that soon follows another does not wait for its reply, which is read before the next.
    """

    def __init__(self) -> None:
        self._sent_at = -inf
        self._reply: Callable[[], Outcome] | None = None  # of the last report, until it is read
        self._sending = threading.Lock()  # one of the run's threads at a time

    def send(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        """Send a report. Raises Stopped when the run has to end."""
        with self._sending:
            began = time.monotonic()
            self._check_reply()
            has_waited = time.monotonic() - began > LONG_SECONDS  # not twice, where Redis hangs
            self._reply = backend.runs.begin_report(request, state, meta)
            if began - self._sent_at > OFTEN_SECONDS and not has_waited:
                self._check_reply()
            self._sent_at = time.monotonic()

    def close(self) -> None:
        """Wait for the outstanding reply, and discard it."""
        with self._sending:
            self._take_reply()

    def _check_reply(self) -> None:
        outcome = self._take_reply()
        if outcome not in (Outcome.WRITTEN, Outcome.UNSTORED):
            raise Stopped(outcome)

    def _take_reply(self) -> Outcome:
        reply = self._reply
        self._reply = None
        return Outcome.WRITTEN if reply is None else reply()

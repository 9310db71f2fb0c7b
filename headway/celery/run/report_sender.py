"""Sends the reports that a run makes by `update_state`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from celery.app.task import Context

from headway.celery.run.runs import Stopped
from headway.store.model import Outcome

OFTEN_SECONDS = 0.05  # a report this soon after another does not wait for its reply
AT_ONCE_SECONDS = 0.001  # nor does it this soon wait for the replies to those before
MAX_UNREAD = 8  # replies
LONG_SECONDS = 0.2


class ReportSender:
    """Sends a run's `update_state` reports, one at a time.

    A report that soon follows another does not wait for its reply, which is read before the next;
    one that follows at once is on its way before the reply to the other has come.
    """

    def __init__(self) -> None:
        self._sent_at = -inf
        self._line: Any = None
        self._replies: deque[Callable[[], Outcome]] = deque()  # that are not read yet
        self._sending = threading.Lock()  # one of the run's threads at a time

    def send(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        """Send a report. Raises Stopped when the run has to end."""
        with self._sending:
            began = time.monotonic()
            self._line = self._line or backend.runs.line()
            if began - self._sent_at > AT_ONCE_SECONDS:
                self._check_replies()
            elif len(self._replies) == MAX_UNREAD:
                self._check_replies(MAX_UNREAD // 2)  # the others are just being made
            has_waited = time.monotonic() - began > LONG_SECONDS  # not twice, where Redis hangs
            self._replies.append(backend.runs.begin_report(request, state, meta, line=self._line))
            if began - self._sent_at > OFTEN_SECONDS and not has_waited:
                self._check_replies()
            self._sent_at = time.monotonic()

    def close(self) -> None:
        """Wait for the outstanding replies, and discard them."""
        with self._sending:
            try:
                while self._replies:
                    self._replies.popleft()()
            finally:
                if self._line is not None:
                    self._line.close()

    def _check_replies(self, left: int = 0) -> None:
        """Read replies until so many are left to read. Raises Stopped."""
        while len(self._replies) > left:
            outcome = self._replies.popleft()()
            if outcome not in (Outcome.WRITTEN, Outcome.UNSTORED):
                raise Stopped(outcome)

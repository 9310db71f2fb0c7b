"""Sends the reports that a run makes by `update_state`."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from celery.app.task import Context

from headway.celery.run.runs import Stopped
from headway.store.model import Outcome

logger = logging.getLogger(__name__)

OFTEN_SECONDS = 0.05  # a report this soon after another does not wait for its own reply
AT_ONCE_SECONDS = 0.001  # one this soon does not wait for the earlier replies either
MAX_UNREAD = 8  # replies
LONG_SECONDS = 0.2


class ReportSender:
    """Sends a run's `update_state` reports, one at a time.

    Reports in quick succession are pipelined: the reply to each is checked when the next report is
    sent or, where that follows at once, with the replies to several.
    """

    def __init__(self) -> None:
        self._sent_at = -inf
        self._pipeline: Any = None
        self._replies: deque[Callable[[], Outcome]] = deque()  # not read yet
        self._sending = threading.Lock()  # one of the run's threads at a time

    def send(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        """Send a report. Raises Stopped when the run has to end."""
        with self._sending:
            began = time.monotonic()
            self._pipeline = self._pipeline or backend.runs.pipeline()
            if began - self._sent_at > AT_ONCE_SECONDS:
                self._check_replies()
            elif len(self._replies) == MAX_UNREAD:
                self._check_replies(MAX_UNREAD // 2)  # Redis is still working on the rest
            has_waited = time.monotonic() - began > LONG_SECONDS  # not twice, where Redis hangs
            reply = backend.runs.begin_report(request, state, meta, pipeline=self._pipeline)
            self._replies.append(reply)
            if began - self._sent_at > OFTEN_SECONDS and not has_waited:
                self._check_replies()
            self._sent_at = time.monotonic()

    def close(self) -> None:
        """Wait for the outstanding replies, and discard them; a failure is logged.

        It changes no outcome: the body has ended by now.
        """
        with self._sending:
            try:
                while self._replies:
                    self._replies.popleft()()
            except Exception:
                logger.exception("The last reports of a run are not stored")
            finally:
                if self._pipeline is not None:
                    self._pipeline.close()

    def _check_replies(self, left: int = 0) -> None:
        """Read replies until only `left` are unread. Raises Stopped."""
        while len(self._replies) > left:
            outcome = self._replies.popleft()()
            if outcome not in (Outcome.WRITTEN, Outcome.UNSTORED):
                raise Stopped(outcome)

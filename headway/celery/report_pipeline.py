"""Pipelines the reports that a run makes by `update_state`."""

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
from headway.store.connection import FunctionPipeline

OFTEN_SECONDS = 0.05  # a report this soon after another does not wait for its reply
LONG_SECONDS = 0.2


class ReportPipeline:
    """Sends a run's `update_state` reports.

    Reports in quick succession are pipelined: each reply is checked when the next report is sent.
    """

    def __init__(self) -> None:
        self._sent_at = -inf
        self._pipeline: FunctionPipeline | None = None
        self._replies: deque[Callable[[], str]] = deque()  # two at most
        self._sending = threading.Lock()  # one of the run's threads at a time

    def send(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        """Send a report. Raises Stopped when the run has to end."""
        with self._sending:
            self._send(backend, request, state, meta)

    def _send(self, backend: Any, request: Context, state: str | None, meta: Any) -> None:
        began = time.monotonic()
        pipeline = self._pipeline = self._pipeline or backend.records.client.function_pipeline()
        if not pipeline.has_reply:
            self._check_replies()
            if time.monotonic() - began > LONG_SECONDS:
                # Redis hangs, and a report may not hold up its task for long; the next repeats it.
                return
        self._replies.append(backend.runs.begin_report(request, state, meta, pipeline))
        self._check_replies(all_but=1 if began - self._sent_at <= OFTEN_SECONDS else 0)
        self._sent_at = time.monotonic()

    def close(self) -> None:
        """Discard outstanding replies."""
        with self._sending:
            while self._replies:
                self._replies.popleft()()

    def _check_replies(self, all_but: int = 0) -> None:
        while len(self._replies) > all_but:
            verdict = self._replies.popleft()()
            if verdict not in ("written", UNSTORED):
                raise Stopped(verdict)

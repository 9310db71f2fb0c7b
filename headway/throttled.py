"""Throttles log lines that would repeat many times a second during an outage."""

from __future__ import annotations

import logging
import time

AGAIN_SECONDS = 10.0


class ThrottledLogger:
    """Logs each warning once in ten seconds at most, whatever its arguments."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._due: dict[str, float] = {}

    def warning(self, message: str, *args: object) -> None:
        """Log a warning, unless the same message was logged in the last ten seconds."""
        now = time.monotonic()
        if now >= self._due.get(message, now):
            self._due[message] = now + AGAIN_SECONDS
            self._logger.warning(message, *args)

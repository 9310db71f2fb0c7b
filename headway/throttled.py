"""Log lines that would come many times a second while something is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

AGAIN_SECONDS = 10.0


class ThrottledLogger:
    """Warns once in ten seconds at most of each message, whatever its arguments."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._due: dict[str, float] = {}

    def warning(self, message: str, *args: object) -> None:
        """Log as a logger does, or not, since it was said just now."""
        now = self._clock()
        if now >= self._due.get(message, now):
            self._due[message] = now + AGAIN_SECONDS
            self._logger.warning(message, *args)

"""Repeats a write that must reach Redis until it does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import TypeVar

from headway.store.errors import RedisUnavailable
from headway.throttled import ThrottledLogger

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)
T = TypeVar("T")

PAUSE_SECONDS = (0.1, 1.0)  # between attempts at such a write: the first pause, the longest


def until_stored(write: Callable[[], T], seconds: float = inf) -> T:
    """Repeat a write until Redis takes it, and return what it returns.

    A task's start and its outcome must not be lost with one connection. Raises
    RedisUnavailable after `seconds`.
    """
    pause, longest = PAUSE_SECONDS
    deadline = time.monotonic() + seconds
    while True:
        try:
            return write()
        except RedisUnavailable as error:
            if time.monotonic() > deadline:
                raise
            throttled.warning("A write to Redis failed and is repeated: %s", error)
            time.sleep(pause)
            pause = min(2 * pause, longest)

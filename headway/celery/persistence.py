"""Writes that must reach Redis are tried until they do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import TypeVar

from headway.store.errors import Unavailable
from headway.throttled import ThrottledLogger

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)
T = TypeVar("T")

UNSTORED = ""  # the verdict of a report that did not reach Redis
PAUSE_SECONDS = (0.1, 1.0)  # between the tries of a write that must not be lost: at first, at most


def until_stored(write: Callable[[], T], seconds: float = inf) -> T:
    """Try until Redis takes it: a task's start and its outcome must not be lost with one
    connection.

    Raises Unavailable after so many seconds.
    """
    pause, longest = PAUSE_SECONDS
    deadline = time.monotonic() + seconds
    while True:
        try:
            return write()
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise
            throttled.warning("Redis does not take a write, which is tried again: %s", error)
            time.sleep(pause)
            pause = min(2 * pause, longest)

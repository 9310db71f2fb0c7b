"""Finds snapshots that lie damaged in Redis."""

from __future__ import annotations

import json
import logging

from headway.throttled import ThrottledLogger

logger = ThrottledLogger(logging.getLogger(__name__))


def is_intact(snapshot: str) -> bool:
    """Whether a snapshot is a JSON object; a damaged record must not damage a whole answer."""
    try:
        if isinstance(json.loads(snapshot, parse_constant=_refuse), dict):
            return True
    except (ValueError, RecursionError):
        pass
    logger.warning("A record in Redis is damaged, and not shown: %r", snapshot[:100])
    return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and the infinities are no JSON

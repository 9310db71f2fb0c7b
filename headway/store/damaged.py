"""Finds snapshots that lie damaged in Redis."""

from __future__ import annotations

import logging

from headway import strict_json
from headway.throttled import ThrottledLogger

logger = ThrottledLogger(logging.getLogger(__name__))


def is_intact(snapshot: str) -> bool:
    """Whether a snapshot is a JSON object; a damaged record must not damage a whole answer."""
    try:
        if isinstance(strict_json.parse(snapshot), dict):
            return True
    except ValueError:
        pass
    logger.warning("A record in Redis is damaged, and not shown: %r", snapshot[:100])
    return False

"""Checks Redis and cookies before a program serves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from app import config
from headway import checks

logger = logging.getLogger(__name__)


def check_surroundings(settings: Mapping[str, Any]) -> None:
    """Log problems with cookies and Redis, unless a parent process has logged them.

    Raises ConfigError for a Redis that Headway cannot work with.
    """
    warning = config.cookie_warning(settings)
    if warning and not checks.has_warned():
        logger.warning("TRUSTED_PROXIES is 0; %s.", warning)
    production = settings["APP_ENV"] == "production"
    url = settings["REDIS_URL"]
    broker_url = settings["CELERY_BROKER_URL"]
    checks.refuse_unfit_redis(
        url,
        broker_url,
        prefix=settings["REDIS_KEY_PREFIX"],
        queues=config.QUEUES,
        production=production,
    )

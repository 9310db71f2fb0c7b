"""Checks Redis and the way to browsers before a program serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import config
from headway import checks


def check_surroundings(settings: Mapping[str, Any]) -> None:
    """Log problems with Redis, unless a parent process has logged them.

    Raises ConfigError for plain http in production, and for a Redis that Headway cannot work with.
    """
    config.refuse_plain_http(settings)
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

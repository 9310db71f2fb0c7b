"""For a project's own `doctor`: what Headway's checks find, and findings of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from headway.celery.messages import broker
from headway.files import checks as file_checks
from headway.store import redis_checks
from headway.store.checks import Finding, Mark
from headway.store.keys import Keys
from headway.store.names import look_up
from headway.store.redis_checks import has_warned, warn_no_more
from headway.store.redis_server import DEFAULT_QUEUES

__all__ = [
    "Finding",
    "Mark",
    "broker_findings",
    "file_findings",
    "has_warned",
    "look_up",
    "redis_findings",
    "refuse_unfit_redis",
    "warn_no_more",
]


def broker_findings(url: str) -> Iterator[Finding]:
    """Yield whether a broker answers."""
    yield from broker.findings(url)


def file_findings(place: str | Path) -> Iterator[Finding]:
    """Yield whether files can be kept at a place: what `headway_files` is, a folder or a bucket."""
    yield from file_checks.findings(place)


def redis_findings(
    url: str, broker_url: str, *, prefix: str = "", queues: Collection[str] = DEFAULT_QUEUES
) -> Iterator[Finding]:
    """Yield whether a Redis is fit for the records of tasks, a finding for each check.

    `prefix` is the `global_keyprefix` of results and broker. Up to a failed check that the rest
    depend on.
    """
    yield from redis_checks.findings(url, broker_url, Keys(prefix, prefix), queues)


def refuse_unfit_redis(
    url: str,
    broker_url: str,
    *,
    prefix: str = "",
    queues: Collection[str] = DEFAULT_QUEUES,
    production: bool,
    setting: str = "result_backend",
) -> None:
    """Refuse a Redis that is too old or gives too few rights; warn of one that loses tasks.

    `setting` is the URL's name for people. A Redis that does not answer passes, since it may start
    later. Raises ConfigError.
    """
    keys = Keys(prefix, prefix)
    redis_checks.refuse_unfit(url, broker_url, keys, queues, production=production, setting=setting)

"""Reads the version, settings and state of a Redis that is being checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis

from headway.store.connection import Client
from headway.store.errors import Reason, RedisUnavailable
from headway.store.keys import PLAIN, Keys
from headway.store.records import Records
from headway.store.redis_url import is_same_database

T = TypeVar("T")

DEFAULT_QUEUES = ("celery",)  # Celery's own default


class Server:
    """A Redis under check; what it says of itself is read once."""

    def __init__(
        self,
        client: Client,
        url: str,
        broker_url: str,
        keys: Keys = PLAIN,
        queues: Collection[str] = DEFAULT_QUEUES,
    ) -> None:
        """`url` as `redis_url.normalize` writes it."""
        self.client = client
        self.records = Records(client, ttl_days=1, keys=keys)
        self.parts = urlsplit(url)
        self.address = f"{self.parts.hostname}:{self.parts.port}"
        self.queues = queues
        self.database = int(self.parts.path.strip("/") or 0)
        self.is_broker = _is_same(url, broker_url)

    @cached_property
    def version(self) -> str:
        """As in "Redis 7.2.4"; "" where it does not say. HELLO needs no right."""
        try:
            reply = self.client.execute_command("HELLO")
        except (redis.ResponseError, RedisUnavailable) as error:
            if isinstance(error, RedisUnavailable) and error.reason is not Reason.TOO_OLD:
                raise
            return ""
        pairs = reply if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
        said = dict(pairs)
        return f"{str(said.get('server', 'redis')).capitalize()} {said.get('version', '?')}"

    @cached_property
    def info(self) -> Mapping[str, Any] | None:
        """The reply to INFO; None if that is not allowed."""
        return _if_allowed(lambda: dict(self.client.info()))

    def setting(self, name: str) -> str | None:
        """Return a setting of the server; None if that is not allowed."""
        return _if_allowed(lambda: str(self.client.config_get(name).get(name, "")))


def _if_allowed(ask: Callable[[], T]) -> T | None:
    """Return Redis's answer; None if it refuses or does not know the command."""
    try:
        return ask()
    except RedisUnavailable as error:
        if error.reason in (Reason.NO_RIGHT, Reason.TOO_OLD):
            return None
        raise


def _is_same(url: str, broker_url: str) -> bool:
    return (
        is_same_database(url, broker_url)
        and urlsplit(url).username == urlsplit(broker_url).username
    )

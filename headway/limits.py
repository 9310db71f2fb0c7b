"""How often a visitor may do what costs the server something, by owner and by address.

Counted in Redis, so that the limits hold across web processes; in this process's memory while
Redis is away.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any, NamedTuple

from limits import RateLimitItem, parse_many
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage

from headway import settings
from headway.display.languages import Counted, Sentence
from headway.exceptions import ConfigError, HeadwayError
from headway.lanes import Lanes
from headway.settings import Setting
from headway.store.records import Records
from headway.throttled import ThrottledLogger
from headway.turns import fair_lines

logger = ThrottledLogger(logging.getLogger(__name__))

AWAY_SECONDS = 5.0  # after Redis did not answer, before it is asked again
BLOCKS = 25  # counts are fetched from Redis in blocks of this part of a limit: reads are frequent
MAX_HELD = 20_000  # counts that one process knows without asking
IPV6_BITS = 64  # of an address that are one client's
# As some proxies say it: 192.0.2.1:443, [2001:db8::1]:443. Each connection has another port.
WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]*)?")
UNKNOWN = "unknown"  # what is no IP address
WORDS = {
    "starts": Counted("{count} new task", "{count} new tasks"),
    "changes": Counted("{count} change", "{count} changes"),
    "shares": Counted("{count} link", "{count} links"),
    "reads": Counted("{count} request", "{count} requests"),
    "lists": Counted("{count} list", "{count} lists"),
    "uploads": Counted("{count} upload", "{count} uploads"),
}
KINDS = {
    "starts": settings.STARTS_LIMIT,
    "changes": settings.CHANGES_LIMIT,
    "shares": settings.SHARES_LIMIT,
    "reads": settings.READS_LIMIT,
    "lists": settings.LISTS_LIMIT,
    "uploads": settings.UPLOADS_LIMIT,
}
DAYS = Counted("{count} day", "{count} days")
HOURS = Counted("{count} hour", "{count} hours")
MINUTES = Counted("{count} minute", "{count} minutes")
SECONDS = Counted("{count} second", "{count} seconds")
UNITS = ((86400, DAYS), (3600, HOURS), (60, MINUTES), (1, SECONDS))
# By the name that the library `limits` gives a period: one of it, and several.
PERIODS = {
    "second": (Sentence("second"), SECONDS),
    "minute": (Sentence("minute"), MINUTES),
    "hour": (Sentence("hour"), HOURS),
    "day": (Sentence("day"), DAYS),
    "month": (Sentence("month"), Counted("{count} month", "{count} months")),
    "year": (Sentence("year"), Counted("{count} year", "{count} years")),
}


class LimitReached(HeadwayError):
    """A visitor has done something too often; `seconds` from now it is possible again.

    `limit` says which limit it is; `status` and `code` are those of the answer over HTTP.
    """

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, seconds: float) -> None:
        self.limit = message
        self.message = Sentence("{why} Try again in {time}.", why=message, time=in_words(seconds))
        super().__init__(str(self.message))
        self.seconds = max(1, ceil(seconds))


class QueueFull(LimitReached):
    """Too many tasks wait in a queue, of all visitors together."""

    status = 503
    code = "queue_full"


class Held(NamedTuple):
    """What this process may count without asking Redis, until a monotonic time.

    `is_over`: the limit is reached until then.
    """

    left: int
    until: float
    is_over: bool = False


NOTHING = Held(0, 0.0)


def in_words(seconds: float) -> Sentence:
    """Return a duration in words, rounded up: "40 seconds", "3 minutes"."""
    whole = max(1, ceil(seconds))
    size, unit = next((size, unit) for size, unit in UNITS if whole >= 2 * size or size == 1)
    return Sentence(*unit, count=ceil(whole / size))


def counted(count: int, word: str) -> str:
    """Return a number of things in words: "1 task", "2 tasks"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def parse(setting: str, text: str) -> tuple[RateLimitItem, ...]:
    """Return the limits in a setting, as `30/minute; 500/day`. Raises ConfigError."""
    try:
        return tuple(parse_many(text))
    except ValueError:
        raise ConfigError(
            f"{setting} must hold limits such as 30/minute; 500/day, not {text!r}."
        ) from None


@lru_cache(maxsize=10_000)
def subject_of(address: str) -> str:
    """Return the part of an IP address that one client has: a whole network of IPv6's.

    Whatever is no address is one client, so that nobody has many by names that a proxy passes on.
    """
    if not address:
        return ""  # of a Unix socket
    with_port = WITH_PORT.fullmatch(address)
    bare = (with_port[1] or with_port[2]) if with_port else address
    try:
        parsed = ip_address(bare.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, IPV6_BITS), strict=False))
    return str(parsed)


class Limits:
    """The limits of an app's visitors. Callers count nothing unless `are_on`."""

    def __init__(self, records: Records, config: Mapping[str, Any]) -> None:
        """Read the settings, and count in the Redis of these records. Raises ConfigError."""
        self._records = records
        self.are_on = _flag(settings.RATE_LIMITS, config)
        self._factor = _number(settings.ADDRESS_FACTOR, config)
        self.max_open_tasks = _number(settings.MAX_OPEN_TASKS, config)
        self._max_uploaded = _number(settings.UPLOADED_MAX_BYTES, config)
        self.max_queue_length = _number(settings.MAX_QUEUE_LENGTH, config)
        self._max_running = _number(settings.MAX_RUNNING, config)
        self.max_connections = _number(settings.ADDRESS_CONNECTIONS, config)
        self.max_watches = _number(settings.MAX_WATCHES, config)
        self.sockets = {
            "owner": _number(settings.OWNER_SOCKETS, config),
            "address": _number(settings.ADDRESS_SOCKETS, config),
        }
        self.lanes = Lanes()
        self._items = {kind: parse(each.name, each.read(config)) for kind, each in KINDS.items()}
        self._of_address: dict[str, tuple[RateLimitItem, ...]] = {}  # by kind
        self._held: dict[str, Held] = {}
        self._redis: RedisStorage | None = None
        self._memory: MemoryStorage | None = None
        self._away_until = 0.0

    def count(self, kind: str, owner: str, address: str) -> None:
        """Count one action of this kind, of KINDS. Raises LimitReached."""
        self.count_by(self._items[kind], kind, WORDS[kind], owner, address)

    def count_by(
        self,
        items: tuple[RateLimitItem, ...],
        kind: str,
        words: Counted,
        owner: str,
        address: str,
    ) -> None:
        """Count one action against limits of an owner, and an address's. Raises LimitReached.

        `kind` is the action's own name, `words` are those for people. An address that
        has reached its limit is counted no further: it could have any number of owners.
        """
        if kind not in self._of_address:
            self._of_address[kind] = tuple(
                type(item)(item.amount * self._factor, item.multiples) for item in items
            )
        if address:
            self.take(self._of_address[kind], f"{kind}:address:{subject_of(address)}", words)
        if owner:
            self.take(items, f"{kind}:owner:{owner}", words)

    def accounts(self, owner: str, address: str) -> dict[str, int]:
        """Return how many bytes of uploads may be kept of an owner and of an address, by name."""
        most = {f"owner:{owner}": self._max_uploaded}
        if address:
            most[f"address:{subject_of(address)}"] = self._max_uploaded * self._factor
        return most

    def fair_lines(self, queue: str, owner: str, address: str) -> str:
        """Return the lines in which a visitor's task of a queue waits, as `Turn.line`."""
        of_address = self._max_running * self._factor
        return fair_lines(queue, owner, subject_of(address), self._max_running, of_address)

    def take(self, items: tuple[RateLimitItem, ...], name: str, words: Counted) -> None:
        """Count one of what `words` names against limits of one's own. Raises LimitReached.

        `name` is who or what they are for: it has a count of its own.
        """
        for item in items:
            if seconds := self._take(item, name):
                raise LimitReached(described(item, words), seconds)

    def _take(self, item: RateLimitItem, name: str) -> float:
        """Count one; return 0, or in how many seconds one more is possible."""
        key = item.key_for(name)
        now = time.monotonic()
        held = self._held.get(key, NOTHING)
        if held.until <= now or not (held.left or held.is_over):
            held = self._fetch(key, item, now)
        self._held[key] = held._replace(left=max(0, held.left - 1))
        if len(self._held) > MAX_HELD:
            self._held.pop(next(iter(self._held)), None)
        return held.until - now if held.is_over else 0.0

    def _fetch(self, key: str, item: RateLimitItem, now: float) -> Held:
        if now >= self._away_until:
            try:
                return _count(self._in_redis(), key, item, now)
            except StorageError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                logger.warning("Limits are counted in memory, as Redis is away: %s", error)
        if self._memory is None:
            self._memory = MemoryStorage()
        return _count(self._memory, key, item, now)

    def _in_redis(self) -> RedisStorage:
        if self._redis is None:
            self._redis = RedisStorage(
                "redis://",  # ignored, as there is a pool
                connection_pool=self._records.client.connection_pool,
                key_prefix=self._records.keys.shared("limits"),
                wrap_exceptions=True,
            )
        return self._redis


def _count(storage: Storage, key: str, item: RateLimitItem, now: float) -> Held:
    """Take a block of a limit from its storage. Raises StorageError."""
    block = max(1, item.amount // BLOCKS)
    seconds = item.get_expiry()
    if storage.incr(key, seconds, block) <= item.amount:
        return Held(block, now + seconds)
    return Held(0, now + max(1.0, storage.get_expiry(key) - time.time()), is_over=True)


def described(item: RateLimitItem, words: Counted) -> Sentence:
    """Return a limit in words: "At most 20 emails per hour.", of words as for 20 emails."""
    one, several = PERIODS[item.GRANULARITY.name]
    period = one if item.multiples == 1 else Sentence(*several, count=item.multiples)
    things = Sentence(*words, count=item.amount)
    return Sentence("At most {things} per {period}.", things=things, period=period)


def _flag(setting: Setting, config: Mapping[str, Any]) -> bool:
    value = str(setting.read(config)).lower()
    if value not in ("true", "on", "1", "false", "off", "0"):
        raise ConfigError(f"{setting.name} must be on or off, not {value!r}.")
    return value in ("true", "on", "1")


def _number(setting: Setting, config: Mapping[str, Any]) -> int:
    value = setting.read(config)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ConfigError(f"{setting.name} must be a whole number from 1, not {value!r}.")
    return number

"""The commands, keys and channels that Headway needs, for Redis users with minimal rights (ACL).

docs/redis.md says the same as key patterns, channels and categories of commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from headway.store.functions import LIBRARY
from headway.store.keys import PLAIN
from headway.store.records import Records

SHOWN = 4  # keys, and commands for each, that a message names
ANY = "00000000-0000-0000-0000-000000000000"  # stands for any task's id
WITHOUT_KEY = {"PUBLISH", "PUBSUB", "TIME"}
OF_FUNCTIONS = sorted(
    set(re.findall(r"redis\.call\('([A-Z]+)'", LIBRARY)) - WITHOUT_KEY - {"LPUSH"}
)
OF_RESULTS = ("DEL", "GET", "MGET", "PEXPIRE", "SET")
OF_CHORDS = ("EXPIRE", "INCR", "ZADD", "ZCOUNT", "ZRANGE")
PUSHED = (
    PLAIN.message_queue,
    *(PLAIN.channel(f"{kind}:{ANY}") for kind in ("task", "owner", "process")),
)

# What follows the key in a command, if not "1 1"; after some, any word would be a further key.
REST = {
    **dict.fromkeys(("DEL", "EXISTS", "MGET", "PSUBSCRIBE", "SUBSCRIBE", "WATCH"), ""),
    "BRPOP": "0",
}

# For each key or channel, without a prefix, the commands that it is for.
FOR_RECORDS: Mapping[str, Iterable[str]] = {
    "": (
        "TIME",
        "FCALL name 0",
        "FUNCTION LOAD code",
        "MULTI",
        "EXEC",
        "UNSUBSCRIBE",
        "PUBSUB NUMSUB",
    ),
    PLAIN.record(ANY): (*OF_FUNCTIONS, "DEL"),
    PLAIN.celery(ANY): (*OF_RESULTS, "PUBLISH", "SUBSCRIBE"),
    f"celery-taskset-meta-{ANY}": OF_CHORDS,
    **dict.fromkeys(PUSHED, ("PUBLISH", "SUBSCRIBE")),
}
OF_STARTS = ("LPUSH",)  # of a queue, in which a record and its message are written together
OF_QUEUES = ("BRPOP", "DEL", "LLEN", "LPUSH", "LRANGE", "RPOP", "RPUSH")
FOR_BROKER: dict[str, Iterable[str]] = {
    "": ("PING", "SCRIPT LOAD code", "SCRIPT EXISTS digest", "WATCH", "UNWATCH", "PUNSUBSCRIBE"),
    **dict.fromkeys(("worker@host.celery.pidbox", f"{ANY}.reply.celery.pidbox"), OF_QUEUES),
    "_kombu.binding.celery": ("SADD", "SREM", "SMEMBERS"),
    "_kombu.binding_permanent.celery": ("SADD", "SREM"),
    "_kombu.binding_deadlines": ("EVALSHA digest 1", "ZADD", "ZREM", "ZRANGEBYSCORE"),
    "unacked": ("HSET", "HGET", "HDEL", "HSCAN", "WATCH"),
    "unacked_index": ("ZADD", "ZREM", "ZRANGE"),
    "unacked_mutex": ("SET", "EVALSHA digest 1", "GET", "DEL"),
}


class Right(NamedTuple):
    """A command and its key or channel; its text is what `Queries.probe` takes."""

    command: str
    target: str

    def __str__(self) -> str:
        if not self.target:
            return self.command
        rest = self.target if self.command == "RENAME" else REST.get(self.command, "1 1")
        return f"{self.command} {self.target} {rest}"


def missing(
    records: Records, queues: Iterable[str], broker: bool, database: int = 0
) -> list[Right]:
    """Return the rights that Headway, and with `broker` Celery, needs and this user lacks.

    `queues` are the project's.

    Raises RedisUnavailable.
    """
    keys = records.keys
    names = [name for name in queues if not re.search(r"\s", name)]  # a right is words
    rights = [
        *_rights(FOR_RECORDS, keys.prefix),
        *_rights(dict.fromkeys(names, OF_STARTS), keys.broker_prefix),
    ]
    if broker:
        pidbox = {f"/{database}.celery.pidbox": ("PUBLISH", "PSUBSCRIBE")}
        table = FOR_BROKER | dict.fromkeys(names, OF_QUEUES) | pidbox
        rights += _rights(table, keys.broker_prefix)
    denied = set(records.queries.probe(map(str, rights)))
    return [right for right in rights if str(right) in denied]


def _rights(table: Mapping[str, Iterable[str]], prefix: str) -> Iterator[Right]:
    """Yield the rights of a table, whose targets have no prefix yet."""
    for target, commands in table.items():
        for command in commands:
            yield Right(command, f"{prefix}{target}" if target else "")


def described(rights: Iterable[Right]) -> str:
    """Return rights as text for people: the commands, grouped by their key or channel."""
    commands: dict[str, list[str]] = {}
    for command, target in rights:
        commands.setdefault(target.replace(ANY, "*"), []).append(command.partition(" ")[0])
    parts = [
        f"{_listed(names)} for {target}" if target else _listed(names)
        for target, names in commands.items()
    ]
    return _listed(parts, "; ")


def _listed(words: list[str], between: str = ", ") -> str:
    return between.join(words[:SHOWN]) + (
        f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    )

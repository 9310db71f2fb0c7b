"""The names of all that Headway has in Redis, and of the channels that it publishes to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from headway.exceptions import ConfigError

Room = Literal["task", "owner"]

TASK_KEYPREFIX = "celery-task-meta-"  # of Celery's results
SEPARATORS = "_:-."  # one of which Celery has between a prefix and a name
STEP_MARK = "\x06\x16"  # kombu's: between the name of a queue and a step of priority


def parse_prefix(setting: str, prefix: str) -> str:
    """Return a prefix of keys with a separator at its end, as Celery writes it; "" for none.

    Raises ConfigError.
    """
    ended = prefix if not prefix or prefix[-1] in SEPARATORS else f"{prefix}_"
    try:
        Keys(ended)
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}.") from None
    return ended


def room(kind: Room, name: str) -> str:
    """Return the room of a task or of an owner."""
    return f"{kind}:{name}"


@dataclass(frozen=True)
class Keys:
    """Names with a prefix before each, so that several projects can share a database.

    `prefix` stands before what Headway keeps and publishes and before Celery's results,
    `broker_prefix` before what the broker keeps, its queues among that. They are the
    `global_keyprefix` of results and of the broker. names.lua makes the same names of `prefix`.
    """

    prefix: str = ""
    broker_prefix: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a prefix that would not stand for itself in a pattern or a list."""
        if not re.fullmatch(r"[\w.:/{}-]*", self.prefix):
            raise ValueError(f"{self.prefix!r} may hold letters, digits and _ - . : / {{ }} only")
        if re.search(r"\s", self.broker_prefix):
            raise ValueError(f"{self.broker_prefix!r} may hold no spaces")

    def record(self, task_id: str) -> str:
        return f"{self.prefix}headway:task:{task_id}"

    def celery(self, task_id: str) -> str:
        """Return where Celery's clients read a task's state, and hear of its end."""
        return f"{self.prefix}{TASK_KEYPREFIX}{task_id}"

    def result(self, task_id: str) -> str:
        return f"{self.prefix}headway:result:{task_id}"

    def points(self, task_id: str) -> str:
        """Return the list of how a task got on; see points.lua."""
        return f"{self.prefix}headway:points:{task_id}"

    def log(self, task_id: str) -> str:
        return f"{self.prefix}headway:log:{task_id}"

    def stream(self, task_id: str, name: str) -> str:
        return f"{self.prefix}headway:stream:{task_id}:{name}"

    def owner(self, owner: str) -> str:
        return f"{self.prefix}headway:owner:{owner}"

    def index(self, owner: str) -> str:
        """Return the hash of the words by which an owner's tasks are found."""
        return f"{self.prefix}headway:index:{owner}"

    def phase(self, owner: str, phase: str) -> str:
        """Return the set of an owner's tasks in a phase; see index.lua."""
        return f"{self.prefix}headway:phase:{phase}:{owner}"

    def parts(self, task_id: str) -> str:
        """Return the set of a task's parts, in the order in which they were started."""
        return f"{self.prefix}headway:parts:{task_id}"

    def once(self, owner: str, digest: str) -> str:
        """Return what an owner's idempotency key of this digest is kept under."""
        return f"{self.prefix}headway:once:{owner}:{digest}"

    def revoked(self, subject: str, token_id: str = "*") -> str:
        """Return where it is kept that a token, or all made by a time, no longer opens this."""
        return f"{self.prefix}headway:revoked:{token_id}:{subject}"

    def used(self, token_id: str) -> str:
        """Return where it is kept that a token for one use has been used."""
        return f"{self.prefix}headway:used:{token_id}"

    def upload(self, upload_id: str) -> str:
        return f"{self.prefix}headway:upload:{upload_id}"

    def uploaded(self, account: str) -> str:
        """Return the hash of how much an owner, or an address, has uploaded; see uploads.lua."""
        return f"{self.prefix}headway:uploaded:{account}"

    def devices(self, owner: str) -> str:
        """Return the hash of an owner's browsers that Web Push tells; see devices.lua."""
        return f"{self.prefix}headway:devices:{owner}"

    def device(self, digest: str) -> str:
        """Return where it is kept whose a browser is, by the digest of its endpoint."""
        return f"{self.prefix}headway:device:{digest}"

    def told(self, owner: str) -> str:
        """Return the count of what an owner was told of within an hour; see devices.lua."""
        return f"{self.prefix}headway:told:{owner}"

    def sockets(self, process: str) -> str:
        """Return the hash of how many websockets each client has at a web process."""
        return f"{self.prefix}headway:sockets:{process}"

    def staged(self, name: str) -> str:
        return f"{self.prefix}headway:staged:{name}"

    def worker(self, worker: str) -> str:
        return f"{self.prefix}headway:worker:{worker}"

    def waiting(self, queue: str) -> str:
        return f"{self.prefix}headway:waiting:{queue}"

    def schedule(self, name: str) -> str:
        """Return the hash of what is kept of a schedule."""
        return f"{self.prefix}headway:schedule:{name}"

    def shared(self, name: str) -> str:
        """Return the key of what there is once, as "outbox"; see names.lua."""
        return f"{self.prefix}headway:{name}"

    @property
    def message_queue(self) -> str:
        """The channel of Flask-SocketIO's message queue; a bare RedisManager's has another name."""
        return f"{self.prefix}flask-socketio"

    def channel(self, room: str) -> str:
        return f"{self.message_queue}:{room}"

    def queue(self, name: str, priority: int = 0) -> str:
        """Return the list in which the broker keeps what of a queue has this step of priority."""
        return f"{self.broker_prefix}{name}{f'{STEP_MARK}{priority}' if priority else ''}"


PLAIN = Keys()

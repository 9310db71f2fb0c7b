"""Tokens, which show tasks to somebody who is not known as their owner.

    url = f"https://live.example/headway/status/{task_id}?token={token(task_id)}"

A token is signed, and says what it opens, whether it is read-only, and when it ends. Any process
that has the secret can make one, also in a project without Flask.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from celery import current_app
from itsdangerous import BadData, URLSafeSerializer

from headway import settings
from headway.exceptions import ConfigError

PREFIX = "hwt_"  # marks a token in any text
TOKEN = re.compile(PREFIX + r"[\w.-]+")
SALT = "headway.token"
MAX_TASKS = 100
DAY_SECONDS = 86400.0
MAX_SECONDS = 366 * DAY_SECONDS  # for which a token may last, and the revoking of all is kept
TOKEN_ID = re.compile(r"([0-9a-f]{1,10})-[\w-]{8}\Z", re.ASCII)
# Keys in a token, which should be short.
TASKS, OWNER, READ_ONLY, ENDS = "t", "o", "r", "e"
ID, MADE, ONCE = "i", "m", "1"


class Grant(NamedTuple):
    """What a token opens: some tasks, or all of an owner.

    One with `once` opens it to the first request or websocket that shows it. `ends` is a Unix time,
    `made` one in microseconds. A token of an earlier version has no id.
    """

    task_ids: tuple[str, ...]
    owner: str | None
    read_only: bool
    ends: float
    token_id: str = ""
    made: int = 0
    once: bool = False

    @property
    def has_ended(self) -> bool:
        return time.time() >= self.ends

    @property
    def expires_at(self) -> str:
        """When the token ends, in RFC 3339."""
        return datetime.fromtimestamp(self.ends, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    @property
    def subjects(self) -> list[str]:
        """What the token can be revoked for: each of its tasks, or its owner."""
        return [of_owner(self.owner)] if self.owner else [of_task(each) for each in self.task_ids]

    @property
    def claims(self) -> list[str]:
        """What Redis is asked about this token: whether it is revoked for each of its subjects."""
        return [f"{self.made} {self.token_id} {subject}" for subject in self.subjects]

    def claim(self, task_id: str) -> str:
        """Return what Redis is asked about this token and a task, "" if it does not name it."""
        if self.owner:
            return self.claims[0]
        return f"{self.made} {self.token_id} {of_task(task_id)}" if task_id in self.task_ids else ""


def of_task(task_id: str) -> str:
    """Return the subject of a task's tokens."""
    return f"task:{task_id}"


def of_owner(owner: str) -> str:
    """Return the subject of the tokens for all tasks of an owner."""
    return f"owner:{owner}"


def of_login(owner: str) -> str:
    """Return the subject of the websockets that an owner has opened."""
    return f"login:{owner}"


def ends_of(token_id: str) -> int | None:
    """Return when the token with this id ends, as a Unix time; None for what is no token's id."""
    found = TOKEN_ID.match(token_id)
    return int(found[1], 16) if found else None


def token(
    task_ids: str | Iterable[str] = (),
    *,
    owner: str | None = None,
    read_only: bool = True,
    once: bool = False,
    expires: float = DAY_SECONDS,
    secret_key: str | Sequence[str] | None = None,
) -> str:
    """Make a token for one task, for up to 100 tasks, or for all tasks of an owner.

    With `read_only=False` its holder may also cancel, reschedule and rerun. With `once` it opens
    one request, or one websocket until that ends, and no other. `expires` is in seconds
    from now, at most a year. `secret_key` defaults to the setting `headway_secret_key` of the
    current Celery app, then to the environment's HEADWAY_SECRET_KEY; of several, the last one
    signs.
    Raises ValueError for what no token can say, ConfigError without a secret.
    """
    ids = (task_ids,) if isinstance(task_ids, str) else tuple(task_ids)
    if bool(ids) == bool(owner) or not all(ids):
        raise ValueError("A token is for a task's id, a list of ids, or an owner.")
    if len(ids) > MAX_TASKS:
        raise ValueError(f"A token is for at most {MAX_TASKS} tasks.")
    if not 0 < expires <= MAX_SECONDS:
        raise ValueError(
            f"A token lasts for a while: expires is in seconds, at most {MAX_SECONDS:.0f}."
        )
    what = {OWNER: owner} if owner else {TASKS: ids}
    now = time.time()
    ends = int(now + expires)
    says = {
        **what,
        READ_ONLY: int(read_only),
        ENDS: ends,
        ID: f"{ends:x}-{secrets.token_urlsafe(6)}",
        MADE: int(now * 1e6),
        **({ONCE: 1} if once else {}),
    }
    signed = _serializer(secret_key or secrets_of_process()).dumps(says)
    return f"{PREFIX}{signed.decode() if isinstance(signed, bytes) else signed}"


def read_token(text: str, secret_keys: Sequence[str]) -> Grant | None:
    """Return what a token opens, even if it has ended; None for any other text."""
    if not text.startswith(PREFIX) or not secret_keys:
        return None
    try:
        says = _serializer(secret_keys).loads(text.removeprefix(PREFIX))
        return Grant(
            tuple(says.get(TASKS, ())),
            says.get(OWNER),
            bool(says[READ_ONLY]),
            float(says[ENDS]),
            says.get(ID, ""),
            says.get(MADE, 0),
            bool(says.get(ONCE)),
        )
    except (BadData, LookupError, TypeError, ValueError, AttributeError):
        return None


def _serializer(secret_keys: str | Sequence[str]) -> URLSafeSerializer:
    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    keys = secret_keys if isinstance(secret_keys, str) else list(secret_keys)
    return URLSafeSerializer(keys, salt=SALT, signer_kwargs=options)


def secrets_of_process() -> list[str]:
    """Return the secrets of a process without Flask; the last one signs. Raises ConfigError."""
    return secrets_of(current_app.conf)


def secrets_of(conf: Mapping[str, Any]) -> list[str]:
    """Return the secrets of Celery's settings, else of the environment. Raises ConfigError."""
    secret = settings.TOKEN_SECRET.read(conf) or os.environ.get("HEADWAY_SECRET_KEY")
    former = settings.TOKEN_SECRET_FALLBACKS.read(conf) or os.environ.get(
        "HEADWAY_SECRET_KEY_FALLBACKS", ""
    )
    if not secret:
        raise ConfigError(
            "There is no secret to sign a token with: set headway_secret_key in Celery's settings,"
            " or HEADWAY_SECRET_KEY in the environment, as where the tasks are shown."
        )
    return [*(former.split() if isinstance(former, str) else former), str(secret)]

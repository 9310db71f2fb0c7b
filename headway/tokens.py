"""Tokens, which show tasks to somebody who is not known as their owner.

    url = f"https://live.example/headway/status/{task_id}?token={token(task_id)}"

A token is signed, and says what it opens, whether it is read-only, and when it ends. Any process
that has the secret can make one, also in a project without Flask.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from celery import current_app
from itsdangerous import BadData, URLSafeSerializer

from headway import settings
from headway.exceptions import ConfigError

PREFIX = "hwt_"  # marks a token in any text
TOKEN = re.compile(PREFIX + r"[\w.-]+")
SALT = "headway.token"
MAX_TASKS = 100
DAY_SECONDS = 86400.0
TASKS, OWNER, READ_ONLY, ENDS = "t", "o", "r", "e"  # keys in a token, which should be short


class Grant(NamedTuple):
    """What a token opens: some tasks, or all of an owner; `ends` is a Unix time."""

    task_ids: tuple[str, ...]
    owner: str | None
    read_only: bool
    ends: float

    @property
    def has_ended(self) -> bool:
        return time.time() >= self.ends


def token(
    task_ids: str | Iterable[str] = (),
    *,
    owner: str | None = None,
    read_only: bool = True,
    expires: float = DAY_SECONDS,
    secret_key: str | Sequence[str] | None = None,
) -> str:
    """Make a token for one task, for up to 100 tasks, or for all tasks of an owner.

    With `read_only=False` its holder may also cancel, reschedule and rerun. `expires` is in seconds
    from now. `secret_key` defaults to the setting `headway_secret_key` of the current Celery app,
    then to the environment's HEADWAY_SECRET_KEY; of several, the last one signs.
    Raises ValueError for what no token can say, ConfigError without a secret.
    """
    ids = (task_ids,) if isinstance(task_ids, str) else tuple(task_ids)
    if bool(ids) == bool(owner) or not all(ids):
        raise ValueError("A token is for a task's id, a list of ids, or an owner.")
    if len(ids) > MAX_TASKS:
        raise ValueError(f"A token is for at most {MAX_TASKS} tasks.")
    if not 0 < expires < inf:
        raise ValueError("A token has to last for a while: expires is a number of seconds.")
    what = {OWNER: owner} if owner else {TASKS: ids}
    says = {**what, READ_ONLY: int(read_only), ENDS: int(time.time() + expires)}
    signed = _serializer(secret_key or _secret_of_process()).dumps(says)
    return f"{PREFIX}{signed.decode() if isinstance(signed, bytes) else signed}"


def read_token(text: str, secret_keys: Sequence[str]) -> Grant | None:
    """Return what a token opens, even if it has ended; None for any other text."""
    if not text.startswith(PREFIX) or not secret_keys:
        return None
    try:
        says = _serializer(secret_keys).loads(text.removeprefix(PREFIX))
        return Grant(
            tuple(says.get(TASKS, ())), says.get(OWNER), bool(says[READ_ONLY]), float(says[ENDS])
        )
    except (BadData, LookupError, TypeError, ValueError, AttributeError):
        return None


def _serializer(secret_keys: str | Sequence[str]) -> URLSafeSerializer:
    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    keys = secret_keys if isinstance(secret_keys, str) else list(secret_keys)
    return URLSafeSerializer(keys, salt=SALT, signer_kwargs=options)


def _secret_of_process() -> str:
    secret = settings.TOKEN_SECRET.read(current_app.conf) or os.environ.get("HEADWAY_SECRET_KEY")
    if not secret:
        raise ConfigError(
            "There is no secret to sign a token with: set headway_secret_key in Celery's settings,"
            " or HEADWAY_SECRET_KEY in the environment, as where the tasks are shown."
        )
    return str(secret)

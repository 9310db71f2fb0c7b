"""What follows a task that replaces one that failed: the rest of its chain, its chord's body.

The rest of a chain, and the callbacks, ended with the task that failed, under their ids. For the
task that replaces it they are copied under new ids, so that the chain goes on. A chord keeps the
results of its other parts for a while, so it needs only this one's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from headway.store.connection import Client
from headway.store.errors import translate_errors

# States of a chord: it waits for parts; it had failed and waits again; it is just being ended; it
# is no longer kept.
OPEN = "open"
OPENED = "opened"
DECIDING = "deciding"
GONE = "gone"
DECIDED_SECONDS = 2.0
POLL_SECONDS = 0.05
KINDS = ("chain", "link", "link_error")
# Options that a signature gets when it is sent.
OF_A_SEND = frozenset(
    ("task_id", "group_id", "group_index", "root_id", "parent_id", "reply_to", "chord")
)


def following(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options that have a new task followed by copies of what follows one with `options`."""
    return {kind: _unsent(options[kind]) for kind in KINDS if options.get(kind)}


def chord_again(
    client: Client, backend: Any, task_id: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Have the chord of a part that failed wait for a new part; return the new part's options.

    {} where the part is in no chord, or Celery no longer has the other parts' results. The body
    keeps its id while the others run; if it has failed with the chord it is copied under a new id.
    """
    body = options.get("chord")
    group_id = options.get("group_id")
    index = options.get("group_index")
    if not isinstance(body, Mapping) or not group_id or index is None or not backend._chord_zset:
        return {}
    key_of = partial(backend.get_key_for_group, group_id)
    if client.exists(key_of()):  # its header holds groups, which are joined by their tasks' ids
        return {}
    state = _take_out(client, key_of, f"{task_id}:{index}", backend.chord_expires)
    if state not in (OPEN, OPENED):
        return {}
    if state == OPENED:
        body = _unsent(body)
        body["options"]["task_id"] = str(uuid4())
    return {"chord": body, "group_id": group_id, "group_index": index}


def _take_out(
    client: Client, key_of: Callable[[str], Any], member: str, expires: float | None
) -> str:
    """Remove a part's failure from its chord; return the chord's state.

    Should the failure not have been counted yet, it no longer will be. A chord that has failed is
    opened again.
    """
    size, claim, counted, results = map(key_of, (".s", ".c", ".d", ".j"))
    index = _index_in(member)

    def take_out(pipe: Any) -> str:
        returned = set(map(_index_in, pipe.smembers(counted)))
        is_open = pipe.exists(size)
        if is_open and pipe.exists(claim):
            return DECIDING
        if not is_open and not returned:
            return GONE
        pipe.multi()
        pipe.sadd(counted, member)
        pipe.zremrangebyscore(results, index, index)
        if is_open:
            return OPEN
        pipe.delete(claim)
        pipe.set(size, len(returned), ex=expires or None)  # it has failed when all had returned
        return OPENED

    atomically: Any = client.transaction
    deadline = time.monotonic() + DECIDED_SECONDS
    while True:
        with translate_errors:
            state = atomically(take_out, size, claim, counted, results, value_from_callable=True)
        if state != DECIDING or time.monotonic() > deadline:
            return str(state)
        time.sleep(POLL_SECONDS)  # a worker has all results, and is just failing the chord


def _index_in(member: str | bytes) -> str:
    """Return a part's index in its chord from Celery's mark of its end, "ID:INDEX"."""
    text = member.decode() if isinstance(member, bytes) else member
    return text.rpartition(":")[2]


def _unsent(value: Any) -> Any:
    """Return a signature, or a value that holds some, as before it was sent."""
    if isinstance(value, list | tuple):
        return [_unsent(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    made = {key: _unsent(each) for key, each in value.items()}
    if {"task", "options"} <= made.keys() and isinstance(made["options"], dict):
        options = made["options"]
        made["options"] = {key: options[key] for key in options if key not in OF_A_SEND}
    return made

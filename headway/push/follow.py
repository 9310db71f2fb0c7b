"""Follows one task without a web process: reads its record once, and then its pushes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from headway.push.checks import is_event, refuse, stamp_of
from headway.snapshot import Snapshot
from headway.store.errors import RedisUnavailable, translate
from headway.store.keys import room
from headway.store.records import TASK_ID, Records

CONFIRM_SECONDS = 2.0
# A subscription that is silent for so long is renewed: its connection may be dead, or its record
# gone.
QUIET_SECONDS = 15.0
AWAY_SECONDS = 60.0  # how long to wait for a Redis that went away
PAUSE_SECONDS = 0.2
SNAPSHOT_HEAD = '["snapshot",'

OnOutage = Callable[[RedisUnavailable | None], None]


class UnknownTask(LookupError):
    """There is no record of this task, or no longer one."""


class Update(NamedTuple):
    """A snapshot and its JSON as it was read."""

    snapshot: Snapshot
    text: str

    def is_newer_than(self, other: Update | None) -> bool:
        """Whether this tells something that `other` does not.

        With the same version, a later read may have another queue position.
        """
        if other is None or self.snapshot.version != other.snapshot.version:
            return other is None or self.snapshot.version > other.snapshot.version
        return self.text != other.text


def follow(records: Records, task_id: str, on_outage: OnOutage) -> Iterator[Update]:
    """Yield a task's snapshots, each newer than the one before, until the task has ended.

    When Redis goes away, `on_outage` is called with the reason at each failed attempt, and with
    None when Redis answers again. Raises UnknownTask; RedisUnavailable if Redis does not answer the
    first read, or does not answer for a minute.
    """
    last: Update | None = None
    answered_at = time.monotonic()
    is_away = False
    while True:
        try:
            for update in _subscribed(records, task_id):
                answered_at = time.monotonic()
                if is_away:
                    on_outage(None)
                    is_away = False
                if not update.is_newer_than(last):
                    continue
                last = update
                yield update
                if update.snapshot.settled:
                    return
        except Exception as error:
            outage = error if isinstance(error, RedisUnavailable) else translate(error)
            if outage is None:
                raise
            if last is None or time.monotonic() - answered_at > AWAY_SECONDS:
                raise outage from error
            on_outage(outage)
            is_away = True
            time.sleep(PAUSE_SECONDS)


def _subscribed(records: Records, task_id: str) -> Iterator[Update]:
    """Yield the task's record once Redis confirms a subscription, then each push.

    Returns after QUIET_SECONDS without a push.
    """
    if not TASK_ID.match(task_id):
        raise UnknownTask(task_id)
    with closing(records.client.pubsub()) as pubsub:  # type: ignore[no-untyped-call]
        name = room("task", task_id)
        pubsub.subscribe(records.keys.channel(name))
        if pubsub.get_message(timeout=CONFIRM_SECONDS) is None:
            raise RedisUnavailable("it does not confirm a subscription")
        yield _read(records, task_id)
        while message := pubsub.get_message(timeout=QUIET_SECONDS):
            text = str(message["data"])
            told = text.encode()
            if not is_event(name, told, stamp_of(told)):
                refuse(f"room {name}")
            elif text.startswith(SNAPSHOT_HEAD):
                text = text.removeprefix(SNAPSHOT_HEAD)[:-1]
                yield Update(Snapshot.from_json(text), text)


def _read(records: Records, task_id: str) -> Update:
    [stored] = records.read([task_id])
    if stored is None:
        raise UnknownTask(task_id)
    return Update(Snapshot.from_json(stored.snapshot), stored.snapshot)

"""Streams at their record: the test writes in the place of a run, and hears what is pushed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from headway.store.model import Delivery
from headway.store.records import Records
from tests.by_hand import HERE, published, subscribed

Event = dict[str, Any]


def text_of(records: Records, task_id: str, name: str = "answer") -> str:
    return records.queries.read_streams(task_id, {})[name]["text"]


def write(
    records: Records,
    task_id: str,
    before: int,
    text: str,
    *,
    closes: bool = False,
    max_bytes: int = 1000,
    delivery: Delivery = HERE,
) -> str:
    return records.output.write_stream(
        task_id, delivery, "answer", before, text.encode(), closes=closes, max_bytes=max_bytes
    )


@contextmanager
def events(records: Records, wanted: str = "stream") -> Iterator[Callable[[], list[Event]]]:
    """Give a function that returns all events of this kind that have been published so far."""
    seen: list[Event] = []
    with subscribed(records, "flask-socketio:task:*") as pubsub:

        def so_far() -> list[Event]:
            for message in published(pubsub):
                kind, payload = json.loads(message["data"])
                if kind == wanted:
                    seen.append(payload)
            return seen

        yield so_far

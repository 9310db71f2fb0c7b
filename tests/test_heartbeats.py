"""A worker that sends events sends heartbeats too, by which Flower and `celery events` know
that it is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import plain_celery as plain
from tests.processes import Valkey, running, worker


def heartbeats(count: int) -> list[dict[str, Any]]:
    """Return the first heartbeats of workers."""
    heard: list[dict[str, Any]] = []

    def note(event: dict[str, Any]) -> None:
        heard.append(event)
        receiver.should_stop = len(heard) == count

    with plain.celery.connection_for_read() as connection:
        receiver = plain.celery.events.Receiver(connection, handlers={"worker-heartbeat": note})
        receiver.capture(timeout=30, wakeup=False)
    return heard


def test_a_worker_that_sends_events_sends_heartbeats(
    valkey: Valkey, redis_url: str, tmp_path: Path
):
    plain.use(redis_url)

    with running(worker(tmp_path, {"REDIS_URL": redis_url}, "celery", "tests.plain_celery", "-E")):
        heard = heartbeats(2)

    [name] = {event["hostname"] for event in heard}
    assert name.startswith("celery-")
    assert [event["freq"] for event in heard] == [2.0, 2.0]

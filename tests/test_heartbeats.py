"""A worker that sends events sends heartbeats too, by which Flower and `celery events` know
that it is there.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests import plain_celery as plain
from tests.processes import Process, Valkey, running, worker


def heard_until_offline(process: Process) -> list[dict[str, Any]]:
    """Return what a worker says of itself, which is told to stop after its second heartbeat."""
    heard: list[dict[str, Any]] = []

    def note(event: dict[str, Any]) -> None:
        heard.append(event)
        if [event["type"] for event in heard].count("worker-heartbeat") == 2:
            os.kill(process.pid, signal.SIGTERM)
        receiver.should_stop = event["type"] == "worker-offline"

    with plain.celery.connection_for_read() as connection:
        receiver = plain.celery.events.Receiver(connection, handlers={"*": note})
        receiver.capture(timeout=30, wakeup=False)
    return heard


def test_a_worker_that_sends_events_says_that_it_is_there_and_that_it_goes(
    valkey: Valkey, redis_url: str, tmp_path: Path
):
    plain.use(redis_url)

    env = {"REDIS_URL": redis_url}
    with running(worker(tmp_path, env, "celery", "tests.plain_celery", "-E")) as process:
        heard = heard_until_offline(process)

    [name] = {event["hostname"] for event in heard}
    assert name.startswith("celery-")
    assert {event["freq"] for event in heard} == {2.0}
    said = [event["type"].removeprefix("worker-") for event in heard]
    assert (said[0], said[-1], set(said[1:-1])) == ("online", "offline", {"heartbeat"})

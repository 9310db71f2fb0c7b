"""Which workers are there, and which queues they take: counted by process, whatever their names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from headway.celery.worker.namesakes import Namesakes
from headway.store.connection import connect
from headway.store.records import Records
from tests import plain_celery as plain
from tests.processes import Process, Valkey, wait_for


def hold(records: Records, worker: str, name: str, *queues: str, slots: int = 4) -> list[str]:
    return records.maintenance.heartbeat(worker, slots, [], [], name=name, queues=queues)


def workers_of(records: Records) -> dict[str, int]:
    return {name: queue["workers"] for name, queue in records.queries.overview()["queues"].items()}


def test_two_workers_of_one_name_are_two_until_one_leaves(records: Records):
    assert hold(records, "1", "worker@host", "celery") == []
    assert hold(records, "2", "worker@host", "celery") == ["1"]
    assert hold(records, "1", "worker@host", "celery") == ["2"]
    assert (records.queries.overview()["workers"], records.queries.overview()["slots"]) == (2, 8)

    records.maintenance.deregister("1", 4)

    assert records.queries.overview()["workers"] == 1
    assert hold(records, "2", "worker@host", "celery") == []


def test_a_worker_that_was_killed_is_none_when_its_time_is_over(records: Records):
    hold(records, "1", "worker@host", "celery")
    records.client.zadd("headway:workers", {"1 4": 1})

    assert records.queries.overview()["workers"] == 0
    assert workers_of(records) == {}
    assert hold(records, "2", "worker@host", "celery") == []
    assert 0 < records.client.pttl("headway:worker:1") <= records.lease_seconds * 1000


def test_a_worker_that_changes_its_slots_and_queues_stays_one(records: Records):
    hold(records, "1", "worker@host", "celery")
    hold(records, "1", "worker@host", "celery", "extra", slots=6)

    assert (records.queries.overview()["workers"], records.queries.overview()["slots"]) == (1, 6)
    assert workers_of(records) == {"celery": 1, "extra": 1}
    hold(records, "1", "worker@host", "extra", slots=6)
    assert workers_of(records) == {"extra": 1}


def test_a_worker_of_an_earlier_version_may_take_any_queue(records: Records):
    records.client.zadd("headway:workers", {"old@host 2": records.clock.now() + 15_000_000})
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "extra"}}
    records.starts.create(owner="ada", message=message, title="Long task", max_attempts=4)

    assert workers_of(records) == {"extra": 1}


def test_a_queue_that_no_worker_takes_is_named_everywhere(client: FlaskClient, records: Records):
    hold(records, "1", "worker@host", "celery")
    email = client.post(
        "/tasks", json={"name": "send_async_email", "args": {"email": "ada@example.com"}}
    ).get_json()
    task = client.post("/longtask").get_json()
    assert (email["queue"], task["queue"]) == ("mail", "celery")

    batch = client.get(f"/status?task_id={email['task_id']}").get_json()
    for server in (batch["server"], client.get("/tasks").get_json()["server"]):
        assert server["queues"] == {
            "celery": {"queued": 1, "workers": 1},
            "mail": {"queued": 1, "workers": 0},
        }
    assert "no worker takes mail" in client.get("/").text


@pytest.mark.parametrize("queue", ["mail", "a b", 'q"uote', "schlange-ü", "a/b", "back\\slash"])
def test_a_queue_of_any_name_is_shown_while_its_task_waits(records: Records, queue: str):
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": queue}}
    started = records.starts.create(owner="ada", message=message, title="Long task", max_attempts=4)

    assert json.loads(started.snapshot)["queue"] == queue
    assert records.queries.overview()["queues"][queue] == {"queued": 1, "workers": 0}
    assert records.queries.overview()["queued"] == 1
    cancelled = records.cancel(started.task_id).snapshot
    assert cancelled is not None
    assert json.loads(cancelled)["queue"] is None
    assert queue not in records.queries.overview()["queues"]


@pytest.fixture
def two(redis_url: str, valkey: Valkey, tmp_path: Path) -> Iterator[list[Process]]:
    plain.use(redis_url)
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.plain_celery",
        "worker",
        "-c",
        "1",
        "-n",
        "same@%h",
    ]
    env = {"REDIS_URL": redis_url, "LEASE_SECONDS": "4"}  # for so long a namesake may be dead
    processes = [
        Process([*command, "-Q", "celery"], tmp_path / f"{number}.log", env) for number in "12"
    ]
    yield processes
    for process in processes:
        process.stop()


def test_a_dead_predecessor_is_no_namesake(monkeypatch: pytest.MonkeyPatch):
    clock = iter([0, 4, 15, 16, 20, 36, 40, 56])
    monkeypatch.setattr("headway.celery.worker.namesakes.time.monotonic", lambda: next(clock))
    namesakes = Namesakes(15.0)
    known = [["dead", "alive"]] * 2 + [["alive"]] * 4 + [["alive", "another"]] * 2

    told = [namesakes.is_news(ids) for ids in known]

    assert told == [False, False, False, True, False, False, False, True]


def test_real_workers_of_one_name(two: list[Process], redis_url: str):
    records = Records(connect(redis_url), 7)
    wait_for(lambda: records.queries.overview()["workers"] == 2, 30)
    for process in two:
        wait_for(lambda process=process: "Another worker is named same@" in process.output(), 60)

    with plain.celery.connection_for_write() as connection:  # Celery would keep its own open
        plain.celery.control.add_consumer("extra", connection=connection)
        wait_for(lambda: workers_of(records).get("extra") == 2, 30)
        plain.celery.control.cancel_consumer("celery", connection=connection)
    wait_for(lambda: "celery" not in workers_of(records), 30)

    two[0].stop()
    assert records.queries.overview()["workers"] == 1
    assert two[1].output().count("Another worker is named") == 1
    records.client.close()

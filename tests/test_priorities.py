"""What is urgent is served first: in its queue, in its owner's line, and as its place is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from flask import Flask

from headway.celery.messages.captured import request_of
from headway.celery.messages.priorities import number_of, step_of
from headway.celery.storing.fencing import signature_of
from headway.celery.worker.live_tasks import make_all_live
from headway.registry import task
from headway.service import rerun, start
from headway.store.model import Delivery
from headway.store.records import Records
from headway.testing.eager import Eager
from headway.turns import Turn
from tests import documents
from tests.by_records import FIRST, MESSAGE, due
from tests.test_turns import create, end, read

HIGH, NORMAL, LOW = (Turn(priority=step) for step in (-1, 0, 9))
LINE = "1 digest"


def places(records: Records, *task_ids: str) -> list[int | None]:
    return [read(records, task_id).queue_position for task_id in task_ids]


def test_the_place_in_the_queue_is_that_in_which_it_is_served(records: Records):
    low, first, high, second, urgent = (
        create(records, turn).task_id for turn in (LOW, NORMAL, HIGH, NORMAL, HIGH)
    )

    assert places(records, high, urgent, first, second, low) == [0, 1, 2, 3, 4]
    assert records.queries.overview()["queued"] == 5
    lengths = [records.client.llen(f"celery{step}") for step in ("\x06\x16-1", "", "\x06\x169")]
    assert lengths == [2, 2, 1]


def test_a_line_is_served_by_priority_and_then_in_order(records: Records):
    running, low, first, high, second = (
        create(records, turn._replace(line=LINE)).task_id
        for turn in (LOW, LOW, NORMAL, HIGH, NORMAL)
    )
    assert places(records, high, first, second, low) == [0, 1, 2, 3]

    order = []
    for ended in (running, high, first, second):
        end(records, ended)
        order += due(records)

    assert order == [high, first, second, low]


def test_it_keeps_its_place_through_a_lost_worker_and_a_retry(records: Records):
    message: Any = MESSAGE | {"options": {"queue": "celery", "priority": 9}}
    low = create(records, LOW, message=message).task_id
    high = create(records, HIGH).task_id
    about: dict[str, Any] = {"message": message, "max_attempts": 4, "hostname": "w"}
    records.runs.claim(low, FIRST, "run", **about, priority=9)
    records.runs.claim("unknown before", FIRST, "run", **about, priority=9)
    normal = create(records, NORMAL).task_id

    records.maintenance.release([(low, FIRST.token), ("unknown before", FIRST.token)])

    assert places(records, high, normal, low, "unknown before") == [0, 1, 2, 3]
    records.runs.claim(low, Delivery("second"), "run", **about, priority=9)
    retry = MESSAGE | {"options": {"queue": "celery", "retries": 1}}
    turn: dict[str, Any] = {"message": retry, "max_attempts": 4, "when": "", "turn": HIGH}
    records.outbox.defer(low, 1, run=Delivery("second"), **turn)
    records.maintenance.release([(low, "second")])
    assert places(records, low) == [1]


# In the processes of a project


@pytest.fixture(scope="module", autouse=True)
def kinds() -> None:
    @task("Normal")
    def of_normal(): ...

    @task("Urgent", priority="high")
    def of_high(): ...

    @task("Later", priority="low", max_running=1)
    def of_low(): ...


@pytest.fixture
def jobs(redis_url: str) -> Iterator[Celery]:
    app = Celery("jobs", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False)
    make_all_live(app)
    yield app
    app.close()


def taken(jobs: Celery) -> list[str]:
    """Take all messages from the queue, as a worker would; return their tasks' ids in order."""
    found = []
    with jobs.connection_for_read() as connection:
        while message := connection.default_channel.basic_get("celery", no_ack=True):
            found.append(message.headers["id"])
    return found


def test_what_is_sent_is_taken_in_the_order_that_is_told(jobs: Celery, records: Records):
    low, normal, high = (jobs.tasks[name].delay().id for name in ("of_low", "of_normal", "of_high"))
    by_word = jobs.tasks["of_normal"].apply_async(priority="low").id
    by_number = jobs.tasks["of_normal"].apply_async(priority=3).id
    in_canvas = jobs.tasks["of_normal"].si().set(priority="high").delay().id
    order = [high, in_canvas, normal, by_number, low, by_word]

    told = places(records, *order)

    assert told == list(range(6))
    assert taken(jobs) == order


def test_a_purge_takes_them_all(jobs: Celery):
    for name in ("of_low", "of_normal", "of_high"):
        jobs.tasks[name].delay()

    assert jobs.control.purge() == 3


def test_a_start_has_the_priority_of_its_task_or_one_of_its_own(app: Flask, records: Records):
    celery = app.extensions["headway"].celery
    with app.app_context():
        low, normal = (start(name, {}, owner="ada") for name in ("of_low", "of_normal"))
        high = start("of_normal", {}, owner="ada", priority="high")
        again = rerun(high.task_id, owner="ada")
        ordinary = start("of_high", {}, owner="ada", priority="normal")
        order = [each.task_id for each in (high, normal, again, ordinary, low)]
        with pytest.raises(TypeError, match="high, normal, low"):
            start("of_normal", {}, owner="ada", priority="urgent")

        assert places(records, *order) == list(range(5))
        assert taken(celery) == order
    kept, _ = records.outbox.message(high.task_id) or ({}, "")
    assert kept["options"]["priority"] == -1  # type: ignore[typeddict-item]


def test_a_message_that_comes_again_has_its_priority(jobs: Celery):
    jobs.tasks["of_low"].delay()
    with jobs.connection_for_read() as connection:
        message = connection.default_channel.basic_get("celery", no_ack=True)

    sent = signature_of(jobs.tasks["of_low"], request_of(message))

    assert sent["options"]["priority"] == 9


@pytest.mark.parametrize("priority", ["urgent", 10, -1, 1.5, True, None, ["high"]])
def test_what_is_no_priority_is_refused_as_the_task_is_made(priority: Any):
    with pytest.raises(TypeError, match="priority is one of high, normal, low"):
        task("A task", priority=priority)


def of_broker(url: str, **options: Any) -> Any:
    return SimpleNamespace(broker_write_url=url, broker_transport_options=options)


def test_other_brokers_have_other_numbers():
    rabbit = of_broker("amqp://localhost")

    words = ("high", "normal", "low")
    assert [number_of(word, of_broker("redis://localhost")) for word in words] == [-1, 0, 9]
    assert [number_of(word, rabbit) for word in words] == [9, 0, 0]
    assert [step_of(number_of(word, rabbit), rabbit) for word in words] == [-1, 0, 0]


def test_a_project_may_have_other_steps_and_names(redis_url: str, records: Records):
    app = Celery("jobs", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False)
    app.conf.broker_transport_options = {"priority_steps": list(range(10)), "sep": ":"}
    make_all_live(app)

    low, some, high = (
        app.tasks["of_normal"].apply_async(priority=priority).id for priority in (9, 4, "high")
    )

    assert [json.loads(text)["headers"]["id"] for text in records.client.lrange("celery:4", 0, -1)]
    assert places(records, high, some, low) == [0, 1, 2]
    assert taken(app) == [high, some, low]
    app.close()


def test_tasks_that_run_in_a_test_may_have_one(jobs: Celery):
    with Eager(jobs).active() as eager:
        for name in ("of_low", "of_normal", "of_high"):
            eager.run(jobs.tasks[name]).assert_succeeded()


# The document


def test_the_example_is_served_as_the_document_says(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, records: Records
):
    monkeypatch.setenv("REDIS_URL", redis_url)
    with documents.module_of("docs/priorities.md", "mailing.py") as shop:
        make_all_live(shop.celery)
        letters = [shop.send_newsletter.delay(f"{n}@example.com").id for n in range(3)]
        invoice = shop.send_invoice.delay(6).id
        urgent = shop.send_invoice.apply_async((7,), priority="high").id
        password = shop.send_password.delay("ada@example.com").id
        later = shop.send_invoice.s(8).set(priority="low").delay().id

        assert taken(shop.celery) == [urgent, password, invoice, *letters, later]
        shop.celery.close()

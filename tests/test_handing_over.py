"""A run that has asked for its next attempt, or for a replacement, is followed by it, whatever it
does afterwards.

Each way is run by a worker of live tasks and by one of stock Celery: both run it as often. With
stock Celery the end is that of whichever run stores it first, or last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from headway.store.connection import connect
from tests.processes import Process, Valkey, running, wait_for, worker

WAYS = {
    # name: (runs, state, result or the words of the error)
    "raises_it": (3, "SUCCESS", "done"),
    "throws_it": (3, "SUCCESS", "done"),
    "returns_then": (3, "SUCCESS", "done"),
    "swallows_it": (3, "SUCCESS", "done"),
    "in_a_finally": (3, "SUCCESS", "done"),
    "over_an_error": (3, "SUCCESS", "done"),
    "reports_then_retries": (3, "SUCCESS", "done"),
    "keeps_it_to_itself": (3, "SUCCESS", None),
    "by_itself": (3, "SUCCESS", "done"),
    "then_fails": (3, "SUCCESS", "done"),
    "then_ignores": (3, "SUCCESS", "done"),
    "then_rejects": (3, "SUCCESS", "done"),
    "too_often": (2, "FAILURE", "the last one"),
    "as_often_as_the_call_says": (3, "SUCCESS", "done"),
}
# stock Celery keeps the first run's end
EARLY = {
    "returns_then",
    "swallows_it",
    "reports_then_retries",
    "then_rejects",
}
EARLY |= {"keeps_it_to_itself"}  # or none
# Where stock Celery drops the task, or runs it more often than was asked for.
OURS = {
    "asks_twice": (3, "SUCCESS", "done"),
    "at_no_time": (1, "FAILURE", "countdown is out of range: nan"),
    "with_no_json": (1, "FAILURE", "Object of type object is not JSON serializable"),
}


class Fleet:
    """A worker of tests/handing_over.py in a Redis database, a stock client of it, and the
    marks of its runs.
    """

    def __init__(self, url: str, folder: Path, live: bool) -> None:
        self.runs = folder / f"runs-{live}"
        self.redis = connect(url)
        self.runs.mkdir()
        self.client = Celery("client", broker=url, set_as_current=False)
        env = {"REDIS_URL": url, "RUNS": str(self.runs), "HEADWAY": str(int(live))}
        self.worker: Process = worker(folder, env, "celery", "tests.handing_over")

    def start(self, name: str, *args: object) -> str:
        return str(self.client.send_task(f"tests.handing_over.{name}", args=args).id)

    def end_of(self, task_id: str) -> tuple[str, object]:
        """Return the state of a task and its result, by Celery's own form."""
        meta = json.loads(
            self.redis.get(f"celery-task-meta-{task_id}") or '{"status": "", "result": ""}'
        )
        return meta["status"], meta["result"]

    def runs_of(self, task_id: str) -> int:
        return sum(name.startswith(task_id) for name in os.listdir(self.runs))


@pytest.fixture(scope="module")
def live(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(valkey.url, tmp_path_factory.mktemp("live"), live=True)
    with running(fleet.worker):
        yield fleet


@pytest.fixture(scope="module")
def stock(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(valkey.url.replace("/0", "/3"), tmp_path_factory.mktemp("stock"), live=False)
    with running(fleet.worker):
        yield fleet


def history_of(fleet: Fleet, name: str, *args: object) -> list[dict]:
    """Run a task and return all its snapshots."""
    listener = fleet.redis.pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("flask-socketio:task:*")
    listener.get_message(timeout=20)
    task_id = fleet.start(name, *args)
    history: list[dict] = []
    while not history or history[-1]["finished_at"] is None:
        message = listener.get_message(timeout=10)
        assert message is not None, f"pushes stopped before the end: {history[-1:]}"
        if message["channel"].endswith(task_id):
            history.append(json.loads(message["data"])[1])
    listener.close()
    return history


@pytest.mark.parametrize("name", WAYS | OURS)
def test_a_run_is_followed_by_what_it_has_asked_for(live: Fleet, name: str):
    runs, state, said = (WAYS | OURS)[name]

    history = history_of(live, name)

    [*before, end] = history
    assert (end["state"], end.get("result", end["status"])) == (state, said)
    assert live.runs_of(end["task_id"]) == end["attempt"] == runs
    assert {each["state"] for each in before} <= {"PENDING", "PROGRESS"}
    assert [each["phase"] for each in history].count("retrying") == runs - 1


@pytest.mark.parametrize("name", WAYS)
def test_stock_celery_runs_it_as_often(stock: Fleet, name: str):
    runs, _, _ = WAYS[name]

    task_id = stock.start(name)

    wait_for(lambda: stock.runs_of(task_id) == runs)


@pytest.mark.parametrize(
    "name", ["returns_then", "swallows_it", "then_fails", "then_ignores", "keeps_it_to_itself"]
)
def test_an_attempt_for_later_waits_for_its_time(live: Fleet, name: str):
    history = history_of(live, name, 0.7)

    waits = [each for each in history if each["phase"] == "retrying"]
    assert len(waits) == 2
    assert all(each["scheduled_for"] > each["updated_at"] for each in waits)
    assert (history[-1]["phase"], history[-1]["attempt"]) == ("succeeded", 3)


def test_an_error_after_asking_is_what_the_next_attempt_is_for(live: Fleet):
    [first, *_] = [each for each in history_of(live, "then_fails") if each["phase"] == "retrying"]

    assert first["error"] == {"type": "RuntimeError", "message": "after it"}


def test_an_attempt_that_the_call_allows_is_counted_so(live: Fleet):
    history = history_of(live, "as_often_as_the_call_says")

    assert [
        each["max_attempts"] for each in history if each["phase"] in ("retrying", "succeeded")
    ] == [6, 6, 6]
    # and by no other run
    assert history_of(live, "as_often_as_the_call_says")[0]["max_attempts"] == 2


@pytest.mark.parametrize(
    ("name", "args", "times"),
    [
        ("last", (), {"countdown": 1, "expires": 0.3}),
        ("raises_it", (1.0,), {"expires": 0.7}),
        ("last", (), {"expires": -1}),
    ],
)
def test_what_has_expired_is_cancelled(
    live: Fleet, name: str, args: tuple[float, ...], times: dict[str, float]
):
    task_id = live.client.send_task(f"tests.handing_over.{name}", args=args, **times).id

    wait_for(lambda: live.end_of(task_id)[0] == "REVOKED")
    assert live.runs_of(task_id) <= 1


@pytest.mark.parametrize("by", ["a task", "a chain", "a group", "one for later", "one by name"])
def test_a_replaced_task_ends_as_its_replacement(live: Fleet, by: str):
    task_id = live.start("replaced", by)

    wait_for(lambda: live.end_of(task_id)[0] == "SUCCESS")
    assert live.end_of(task_id)[1] == (["done", "done"] if by == "a group" else "done")


def test_a_replacement_that_the_body_swallows_runs_all_the_same(live: Fleet):
    history = history_of(live, "replaced_and_swallowed")

    assert (history[-1]["result"], live.runs_of(history[-1]["task_id"])) == ("done", 2)
    assert {each["state"] for each in history[:-1]} <= {"PENDING", "PROGRESS"}


@pytest.mark.parametrize(("name", "times"), [("many_times", 9), ("replaced_many_times", 20)])
def test_nothing_waits_for_maintenance(live: Fleet, name: str, times: int):
    live.redis.set("headway:leader", "another worker", px=20_000)  # which does no rounds
    try:
        [*_, end] = history_of(live, name, times)
    finally:
        live.redis.delete("headway:leader")

    assert (end["phase"], end["attempt"]) == ("succeeded", times + 1)

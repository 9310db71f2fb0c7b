"""One visitor's many tasks keep another's from beginning no longer than its turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from celery.app.task import Context
from celery.exceptions import Retry
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.questions import Asked
from headway.settings import ADDRESS_FACTOR, MAX_RUNNING
from headway.snapshot import Phase
from headway.state import State, state_of
from tests.by_hand import HERE, claim, shown, write
from tests.by_records import due

GREEDY = 100  # as many as may be open
MANY = {"STARTS_LIMIT": "1000/minute", "CHANGES_LIMIT": "10000/minute"}
OTHER_ADDRESS = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def app(env: dict[str, str]) -> Flask:
    return create_app({**env, "RATE_LIMITS": "on", **MANY})


@pytest.fixture
def state(app: Flask) -> State:
    return state_of(app)


def start(client: FlaskClient, **options: dict[str, str]) -> str:
    response = client.post("/longtask", **options)
    assert response.status_code == 202, response.text
    return str(response.get_json()["task_id"])


def begun(state: State) -> Iterator[str]:
    """Yield the tasks in the order in which a worker gets them; each ends before the next."""
    while (raw := state.records.client.rpop("celery")) is not None:
        request = Context(json.loads(raw)["headers"])
        yield str(request.id)
        claim(state.records, request.id)
        write(state.records, request.id, 1000, Phase.SUCCEEDED)
        state.celery.backend.outbox.send_next(request)  # as the worker that stored its end


def send_due(state: State) -> None:
    """Send what has got its turn, as maintenance does."""
    due(state.records)  # they take their turns, and are due again should nobody send them
    for task_id, _ in state.records.client.zrange("headway:outbox", 0, -1, withscores=True):
        if (message := state.records.outbox.take_due(task_id)) is not None:
            state.celery.backend.outbox.send(task_id, message)
            state.records.outbox.mark_published(task_id)


def test_a_greedy_visitor_has_so_many_tasks_with_the_workers(app: Flask, state: State):
    greedy = app.test_client()
    of_greedy = [start(greedy) for _ in range(GREEDY)]
    own = start(app.test_client(), environ_base=OTHER_ADDRESS)

    order = list(begun(state))

    assert order.index(own) == MAX_RUNNING.default
    assert [each for each in order if each != own] == of_greedy  # all of them, in their order


def test_who_throws_its_cookies_away_has_its_address_turns(app: Flask, state: State):
    for _ in range(GREEDY):
        start(app.test_client())  # each time somebody else, as it says
    own = start(app.test_client(), environ_base=OTHER_ADDRESS)

    order = list(begun(state))

    assert order.index(own) == MAX_RUNNING.default * ADDRESS_FACTOR.default
    assert len(order) == GREEDY + 1


def test_people_behind_one_address_go_between_each_others_tasks(app: Flask, state: State):
    greedy = app.test_client()
    for _ in range(GREEDY):
        start(greedy)
    own = start(app.test_client())

    order = list(begun(state))

    assert order.index(own) == MAX_RUNNING.default


@pytest.mark.parametrize("phase", [Phase.RETRYING, Phase.WAITING])
def test_a_task_that_no_worker_has_takes_no_turn(app: Flask, state: State, phase: Phase):
    client = app.test_client()
    first, *_, fifth = [start(client) for _ in range(MAX_RUNNING.default + 1)]
    assert shown(state.records, fifth).status == "Waits for its turn"
    claim(state.records, first)

    write(state.records, first, 1, phase)
    send_due(state)

    assert shown(state.records, fifth).status == "Pending..."
    state.records.client.zadd("headway:outbox", {first: 1})  # its own time has come
    send_due(state)
    if phase == Phase.RETRYING:
        again = shown(state.records, first)
        assert (again.phase, again.status) == (Phase.QUEUED, "Waits for its turn")
        assert again.queue_position == 0


def asks(state: State, run: Context) -> None:
    question = Asked("q-1", "=go", "Go on?", ["yes", "no"], None, None)
    assert state.celery.backend.runs.ask(state.celery.tasks[run.task], run, question) == "waiting"


def is_retried(state: State, run: Context) -> None:
    state.celery.backend.mark_as_retry(run.id, Retry(exc=OSError("refused"), when=60), "", run)


@pytest.mark.parametrize("pauses", [asks, is_retried])
def test_who_pauses_a_task_sends_the_next_one(
    app: Flask, state: State, pauses: Callable[[State, Context], None]
):
    client = app.test_client()
    first, *_, fifth = [start(client) for _ in range(MAX_RUNNING.default + 1)]
    broker = state.records.client
    run = Context(json.loads(broker.lindex("celery", -1))["headers"], headway_fence=HERE.token)
    assert (run.id, shown(state.records, fifth).status) == (first, "Waits for its turn")
    claim(state.records, first)

    pauses(state, run)

    assert json.loads(broker.lindex("celery", 0))["headers"]["id"] == fifth
    assert fifth not in due(state.records)


def test_each_queue_has_turns_of_its_own(app: Flask, state: State):
    client = app.test_client()
    for _ in range(MAX_RUNNING.default + 1):
        start(client)

    email = client.post(
        "/",
        data={"email": "ada@example.com", "submit": "Send"},
        headers={"Accept": "application/json"},
    ).get_json()

    assert email["status"] == "Pending..."


def test_off_means_that_nobody_waits(env: dict[str, str]):
    client = create_app({**env, "RATE_LIMITS": "off"}).test_client()

    statuses = [client.post("/longtask").get_json()["status"] for _ in range(GREEDY)]

    assert set(statuses) == {"Pending..."}

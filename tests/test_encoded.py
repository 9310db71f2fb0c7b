"""Messages of other serializers than JSON's run as with Celery's own backend, and are sent
again as they came.
"""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery._state import _task_stack
from celery.app.task import Context
from kombu.exceptions import ContentDisallowed

from headway.celery.backend import LiveBackend
from headway.celery.messages.encoded import decode, encode, serializer_of
from headway.celery.storing.fencing import FENCE, mark_delivery
from headway.service import NotKept, rerun
from headway.store.model import Delivery
from headway.store.records import Records
from tests import pickle_celery as pickles
from tests.bodies import live_celery
from tests.by_hand import shown
from tests.processes import Process, Valkey, running, worker

ODD: list[Any] = [
    {1, 2},
    {1: {2: (3,)}},
    1j,
    b"\xff",
    date(2026, 1, 2),
    range(3),
    Path("x"),
    float("inf"),
    "\udce9",
]
ID = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e02"


@pytest.fixture
def app(redis_url: str) -> Celery:
    app = live_celery(redis_url)
    app.conf.accept_content = ["json", "pickle", "msgpack"]

    @app.task(name="odd", shared=False, bind=True)
    def odd(self: Any, *args: Any, **kwargs: Any) -> None: ...

    return app


def message_of(records: Records) -> tuple[str, Any]:
    """Take the one message out of the queue: its content type, and what its body says."""
    [text] = records.client.lrange("celery", 0, -1)
    records.client.delete("celery")
    message = json.loads(text)
    body = base64.b64decode(message["body"])
    loads = pickle.loads if "python" in message["content-type"] else json.loads
    return message["content-type"], loads(body)


def claim(
    app: Celery, content_type: str, body: Any, token: str = "token", **headers: Any
) -> Context:
    """Claim the task as a worker's process does that has this message."""
    args, kwargs, embed = body
    request = SimpleNamespace(request_dict={}, content_type=content_type)
    mark_delivery(request=request)
    known = {
        "id": ID,
        "task": "odd",
        "args": args,
        "kwargs": kwargs,
        **request.request_dict,
        **embed,
        FENCE: token,
    }
    info = {"exchange": "", "routing_key": "celery"}
    context = Context(known | headers, delivery_info=info, called_directly=False)
    task = app.tasks["odd"]
    task.request_stack.push(context)
    assert app.backend.claims.claim(ID, task) == "claimed"
    return context


def maintain(backend: LiveBackend) -> None:
    due = backend.records.client.zrange("headway:outbox", 0, -1)
    if due:
        backend.records.client.zadd("headway:outbox", dict.fromkeys(due, 0))  # their time has come
    duties = backend.records.maintenance.sweep("leader")
    for task_id, token, message in duties.exhausted:
        backend.runs.give_up(task_id, token, message)
    for task_id, message in duties.due:
        backend.outbox.send(task_id, message)
        backend.records.outbox.mark_published(task_id)


def lose(records: Records) -> None:
    records.client.set("headway:last_sweep", records.clock.now())
    records.client.delete("headway:grace")
    records.client.zadd("headway:leases", {ID: 0})


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_a_message_that_json_has_no_word_for_is_sent_again_as_it_came(
    app: Celery, records: Records, value: Any
):
    link = app.signature("odd", (value,))
    app.tasks["odd"].apply_async(
        (value,), {"more": value}, task_id=ID, serializer="pickle", link_error=link
    )
    content_type, body = message_of(records)

    claim(app, content_type, body)
    assert shown(records, ID).phase == "running"
    lose(records)
    maintain(app.backend)
    maintain(app.backend)

    assert message_of(records) == (content_type, body)


def test_it_waits_for_its_time_and_for_its_next_attempt(app: Celery, records: Records):
    task = app.tasks["odd"]
    task.apply_async(({1, 2},), task_id=ID, serializer="pickle", countdown=60)
    maintain(app.backend)
    content_type, body = message_of(records)
    assert body[0] == ({1, 2},)

    request = claim(app, content_type, body)
    _task_stack.push(task)
    try:
        # as `retry` does
        task.apply_async(request.args, request.kwargs, task_id=ID, retries=1, countdown=0)
    finally:
        _task_stack.pop()
    app.backend.mark_as_retry(ID, ValueError("x"), request=request)
    maintain(app.backend)

    assert message_of(records)[1][0] == ({1, 2},)


@pytest.mark.parametrize("end", ["done", "failure", "retry"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_a_result_with_arguments_that_json_cannot_hold_has_them_as_text(
    app: Celery, records: Records, value: Any, end: str
):
    app.conf.result_extended = True
    backend = app._get_backend()
    app.tasks["odd"].apply_async((value, 1), {"more": value}, task_id=ID, serializer="pickle")
    request = claim(app, *message_of(records))

    backend.store_result(ID, {"current": 1, "total": 2}, "PROGRESS", request=request)
    assert shown(records, ID).current == 1
    outcome = 42 if end == "done" else ValueError("no")
    getattr(backend, f"mark_as_{end}")(ID, outcome, request=request)

    snapshot = shown(records, ID)
    assert snapshot.phase == {"done": "succeeded", "failure": "failed", "retry": "retrying"}[end]
    assert (snapshot.error or {}).get("type") == (None if end == "done" else "ValueError")
    known = backend.get_task_meta(ID)
    assert (known["name"], known["args"][1], list(known["kwargs"])) == ("odd", 1, ["more"])


def test_a_json_message_is_kept_as_json(app: Celery, records: Records):
    app.tasks["odd"].apply_async((1,), task_id=ID)
    claim(app, *message_of(records))

    message, _ = records.outbox.message(ID)
    assert (message["args"], "encoded" in message, "serializer" in message["options"]) == (
        [1],
        False,
        False,
    )


@pytest.mark.parametrize("serializer", ["pickle", "msgpack", "json"])
def test_what_is_encoded_is_decoded_where_it_is_accepted(serializer: str):
    chord = {"task": "x", "options": {"task_id": "y"}}
    message = {
        "task": "odd",
        "args": [b"x"],
        "kwargs": {},
        "options": {"queue": "q", "chord": chord},
    }
    if serializer == "json":
        message["args"] = ["x"]

    kept = json.loads(json.dumps(encode(message, serializer)))

    assert decode(kept, [serializer])["args"] == message["args"]
    assert decode(kept, [serializer])["options"]["chord"] == chord
    if serializer != "json":
        assert kept["args"] == []
        with pytest.raises(ContentDisallowed):
            decode(kept, ["json"])


def test_a_content_type_names_its_serializer():
    assert [
        serializer_of(kind) for kind in ("application/json", None, "application/x-python-serialize")
    ] == [
        "json",
        "json",
        "pickle",
    ]


def test_a_lost_task_whose_message_this_project_does_not_accept_fails(
    app: Celery, records: Records
):
    app.tasks["odd"].apply_async(({1},), task_id=ID, serializer="pickle")
    claim(app, *message_of(records), retries=3)
    app.conf.accept_content = ["json"]
    records.client.hset(f"headway:task:{ID}", "failures", 3)
    lose(records)
    maintain(app.backend)
    maintain(app.backend)

    assert shown(records, ID).phase == "failed"


def test_a_task_whose_arguments_are_no_json_is_not_started_again_from_the_page(
    app: Any, records: Records, request: Any
):
    message = encode(
        {"task": "odd", "args": [{1}], "kwargs": {}, "options": {"queue": "celery"}}, "pickle"
    )
    run = Delivery("token", 0)
    assert (
        records.runs.claim(ID, run, "run", message=message, max_attempts=4, hostname="")
        == "claimed"
    )
    web = request.getfixturevalue("web_app")

    with web.app_context(), pytest.raises(NotKept):
        rerun(ID, owner="ada")


@pytest.fixture
def web_app(env: dict[str, str]) -> Any:
    from app import create_app

    return create_app(env)


@pytest.fixture(scope="module")
def process(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    pickles.celery.conf.broker_url = valkey.url
    pickles.celery.conf.result_backend = f"headway.celery.backend.LiveBackend+{valkey.url}"
    # a test may run as root, which Celery refuses with pickles
    env = {
        "REDIS_URL": valkey.url,
        "C_FORCE_ROOT": "1",
    }
    with running(
        worker(tmp_path_factory.mktemp("worker"), env, "celery", "tests.pickle_celery")
    ) as process:
        yield process


def test_a_worker_that_accepts_pickles_runs_them_retries_them_and_takes_them_up_again(
    process: Process, tmp_path: Path
):
    results = [
        pickles.kinds.apply_async((value,), {"more": value}, serializer="pickle") for value in ODD
    ]
    packed = pickles.kinds.apply_async((b"x",), serializer="msgpack")
    again = pickles.again.apply_async(({1, 2},), serializer="pickle")
    died = pickles.die_once.apply_async(({1, 2}, str(tmp_path)), serializer="pickle")

    assert [result.get(timeout=20) for result in results] == [
        (type(value).__name__, ["more"]) for value in ODD
    ]
    assert packed.get(timeout=20) == ("bytes", [])
    assert again.get(timeout=20) == {1, 2}
    assert died.get(timeout=30) == {1, 2}


@pytest.mark.parametrize("serializer", ["pickle", "msgpack", "json"])
def test_what_the_records_scripts_write_is_read_whatever_the_results_serializer(
    app: Celery, records: Records, serializer: str
):
    app.conf.update(result_serializer=serializer, result_accept_content=[serializer])
    backend = app._get_backend()
    message = {"task": "odd", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    run = Delivery("token", 0)
    assert (
        records.runs.claim(ID, run, "run", message=message, max_attempts=4, hostname="")
        == "claimed"
    )
    assert backend.get_state(ID) == "STARTED"
    records.runs.abandon(ID, run)
    records.cancel(ID)

    assert backend.get_state(ID) == "REVOKED"
    assert type(backend.get_result(ID)).__name__ == "TaskRevokedError"
    backend.store_result("other", {"a": 1}, "SUCCESS")
    assert backend.get_result("other") == {"a": 1}

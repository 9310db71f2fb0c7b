"""Tasks are live whatever their base class, and whoever sends them.

What is not live is named as a worker starts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, Task
from celery.app.trace import build_tracer

from headway.celery.backend import name_what_is_not_live
from headway.celery.task import LiveTask
from headway.celery.worker.delivery import LiveRequest
from headway.celery.worker.live_tasks import log_what_is_live, make_all_live
from headway.store.records import Records
from tests import based_celery as based
from tests.processes import Process, Valkey, running, wait_for, worker

TASK_TYPES = [*based.BASES]


@pytest.fixture(scope="module")
def system(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    based.celery.conf.update(
        broker_url=valkey.url, result_backend=f"headway.celery.backend.LiveBackend+{valkey.url}"
    )
    with running(
        worker(
            tmp_path_factory.mktemp("based"),
            {"REDIS_URL": valkey.url},
            "celery",
            "tests.based_celery",
        )
    ) as it:
        yield it


@pytest.fixture
def records(system: Process, valkey: Valkey) -> Iterator[Records]:
    client = valkey.connect()
    yield Records(client, 7)
    client.close()


@pytest.fixture(params=["live", "stock"])
def client(request: pytest.FixtureRequest, system: Process, valkey: Valkey) -> Celery:
    if request.param == "live":
        return based.celery
    return Celery("client", broker=valkey.url, set_as_current=False)


def snapshot(records: Records, task_id: str) -> dict[str, Any]:
    [stored] = records.read([task_id])
    return json.loads(stored.snapshot) if stored else {"phase": "none", "state": "none"}


def end_of(records: Records, task_id: str) -> dict[str, Any]:
    return wait_for(lambda: (s := snapshot(records, task_id)) and s.get("finished_at") and s)


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_a_task_waits_for_its_time_and_runs_once(records: Records, client: Celery, kind: str):
    task_id = client.signature(f"{kind}.where").apply_async(countdown=0.7).id
    wait_for(lambda: snapshot(records, task_id)["phase"] == "scheduled")

    end = end_of(records, task_id)

    within = {"stock": ["prepared", "within"], "context": ["within"], "hooks": ["prepared"]}
    assert (end["state"], end["attempt"], end["max_attempts"]) == (
        "SUCCESS",
        1,
        8 if kind == "stock" else 4,
    )
    assert end["result"] == within.get(kind, [])


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_a_task_is_cancelled_at_its_next_report(records: Records, kind: str):
    task_id = based.celery.send_task(f"{kind}.report", args=(10_000,)).id
    wait_for(lambda: snapshot(records, task_id).get("current", 0) > 1)

    records.cancel(task_id)

    assert end_of(records, task_id)["phase"] == "cancelled"
    assert records.client.zscore("headway:kill_deadlines", task_id) is None  # it was not killed


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_a_task_runs_again_where_it_has_asked_for_that(records: Records, kind: str):
    end = end_of(records, based.celery.send_task(f"{kind}.again").id)

    assert (end["result"], end["attempt"]) == ("done", 3)


def test_a_task_made_of_a_class_and_a_request_of_ones_own_are_kept(records: Records):
    assert end_of(records, based.celery.send_task("class.where").id)["attempt"] == 1
    assert wait_for(lambda: records.client.get("accepted"))


def make_app(**options: Any) -> Celery:
    app = Celery("half", set_as_current=False, **options)

    @app.task(name="its_task", shared=False)
    def its_task() -> None: ...

    return app


LIVE_URL = "headway+redis://127.0.0.1:1"
MAINTENANCE = "headway.celery.worker.maintenance.Maintenance"


@pytest.mark.parametrize(
    ("options", "steps", "words"),
    [
        ({"backend": LIVE_URL}, [], "made after their worker"),
        ({"backend": LIVE_URL}, [MAINTENANCE], ""),
        ({"task_cls": LiveTask, "backend": "cache+memory://"}, [], "unset CELERY_RESULT_BACKEND"),
        ({"task_cls": LiveTask}, [], "set result_backend"),
        ({"task_cls": LiveTask, "backend": LIVE_URL}, [MAINTENANCE], ""),
        ({"backend": "cache+memory://"}, [], ""),
    ],
)
def test_half_a_live_app_is_named_as_its_worker_starts(
    options: dict[str, Any], steps: list[str], words: str, caplog: pytest.LogCaptureFixture
):
    app = make_app(**options)
    assert "its_task" in app.tasks
    controller = SimpleNamespace(steps=[SimpleNamespace(name=name) for name in steps])

    with caplog.at_level(logging.ERROR):
        name_what_is_not_live(SimpleNamespace(app=app, controller=controller))

    assert [words in line and "its_task" in line for line in caplog.messages] == (
        [True] if words else []
    )


def test_a_task_with_a_result_backend_of_its_own_is_named(caplog: pytest.LogCaptureFixture):
    app = make_app(task_cls=LiveTask, backend=LIVE_URL)
    app.tasks["its_task"].backend = make_app(backend="cache+memory://").backend

    log_what_is_live(app)

    [line] = caplog.messages
    assert line.endswith("remove it: its_task")


def test_only_what_needs_it_gets_another_class_and_keeps_what_it_was():
    app = make_app(task_cls=LiveTask, backend=LIVE_URL)

    @app.task(base=Task, name="based", max_retries=9, shared=False)
    def one() -> int:
        return 1

    before = {name: type(task) for name, task in app.tasks.items()}

    make_all_live(app)
    make_all_live(app)

    changed = {name for name, task in app.tasks.items() if type(task) is not before[name]}
    assert {name for name in changed if name in ("its_task", "based")} == {"based"}
    task = app.tasks["based"]
    assert (task.max_retries, task.Request, task.name, task.run()) == (9, LiveRequest, "based", 1)
    assert isinstance(task, before["based"])
    assert build_tracer("based", task, app=app)

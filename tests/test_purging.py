"""A purge in a process with several Celery apps: each task is cancelled where its record lies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, _state
from celery.result import AsyncResult
from kombu.connection import Connection

from headway.celery.worker.live_tasks import make_all_live
from headway.message_headers import OWNER

OTHER_PREFIX = {"global_keyprefix": "other_"}
JOB = "jobs.job"
MISSING = "there.is.no.such.module"


def job() -> None: ...


pytestmark = pytest.mark.usefixtures("no_app_is_active_from_elsewhere")


@pytest.fixture
def make(redis_url: str) -> Iterator[Callable[..., Celery]]:
    """Makes apps; the last one is the current one, as in Celery."""
    made: list[Celery] = []
    before = _state._tls.current_app

    def make(backend: str = f"headway+{redis_url}", broker: str = redis_url, **conf: Any) -> Celery:
        app = Celery("jobs", broker=broker, backend=backend)
        app.conf.update(conf)
        app.task(job, name=JOB)
        make_all_live(app)
        made.append(app)
        return app

    yield make
    for app in made:
        app.close()
    _state._set_current_app(before)


def other_prefix(make: Callable[..., Celery]) -> Celery:
    return make(
        broker_transport_options=OTHER_PREFIX, result_backend_transport_options=OTHER_PREFIX
    )


def states(app: Celery, *ids: str) -> list[str]:
    return [AsyncResult(task_id, app=app).state for task_id in ids]


def in_another_thread(call: Callable[[], int]) -> int:
    """Call in a thread, in which no app is current but Celery's default one."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(
    "other", ["another prefix", "a stock backend", "no backend", "no settings"]
)
def test_what_is_purged_is_cancelled_whichever_app_is_current(
    make: Callable[..., Celery], redis_url: str, other: str
):
    app = make()
    {
        "another prefix": lambda: other_prefix(make),
        "a stock backend": lambda: make("cache+memory://"),
        "no backend": lambda: Celery("broken", broker=redis_url, backend=f"{MISSING}:Backend"),
        "no settings": lambda: Celery("broken", config_source=MISSING),
    }[other]()
    assert _state.get_current_app() is not app
    task = app.tasks[JOB].delay()

    assert app.control.purge() == 1

    assert states(app, task.id) == ["REVOKED"]


def test_a_task_of_a_client_without_headway_is_cancelled_too(make: Callable[..., Celery]):
    client = make("cache+memory://")
    app = make()
    task = client.tasks[JOB].delay()

    assert app.control.purge() == 1

    assert states(app, task.id) == ["REVOKED"]


def test_what_another_thread_purges_is_cancelled(make: Callable[..., Celery]):
    app = make()
    task = app.tasks[JOB].delay()

    assert in_another_thread(app.control.purge) == 1

    assert states(app, task.id) == ["REVOKED"]


def test_what_is_purged_at_another_address_of_the_broker_is_cancelled(
    make: Callable[..., Celery], redis_url: str
):
    app = make()
    task = app.tasks[JOB].delay()
    with Connection(redis_url.replace("127.0.0.1", "localhost")) as connection:
        assert app.control.purge(connection) == 1

    assert states(app, task.id) == ["REVOKED"]


def test_a_purge_leaves_the_same_id_of_another_project(make: Callable[..., Celery]):
    other = other_prefix(make)
    app = make()
    for each in (app, other):
        each.tasks[JOB].apply_async(task_id="the-same")

    assert app.control.purge() == 1

    assert states(app, "the-same") == ["REVOKED"]
    assert states(other, "the-same") == ["PENDING"]


def test_a_purge_of_a_queue_that_apps_share_cancels_each_ones_own(
    make: Callable[..., Celery], redis_url: str
):
    """They have one broker, and results in different databases."""
    apps = make(), make(f"headway+{redis_url.rpartition('/')[0]}/1")
    ids = [app.tasks[JOB].apply_async(headers={OWNER: "ada"}).id for app in apps]

    assert apps[0].control.purge() == 2

    for app, mine, others in zip(apps, ids, reversed(ids), strict=True):
        assert states(app, mine) == ["REVOKED"]
        assert app.backend.records.read([others]) == [None]


def test_a_result_backend_that_is_away_leaves_no_others_task_uncancelled(
    make: Callable[..., Celery],
):
    app = make()
    make("headway+redis://127.0.0.1:1/0")
    task = app.tasks[JOB].delay()

    assert app.control.purge() == 1

    assert states(app, task.id) == ["REVOKED"]

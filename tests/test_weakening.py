"""Settings of a project that weaken a promise: each is named, none is changed, and what is still
promised holds.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from headway.celery.cli import findings
from headway.celery.weakening import weakened
from headway.celery.worker.live_tasks import log_what_is_live
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import shown
from tests.processes import Process, running, wait_for, worker

PATIENCE = 30
SETTINGS: dict[str, Any] = {
    "task_always_eager": True,
    "task_ignore_result": True,
    "result_expires": 60,
    "worker_prefetch_multiplier": 0,
    "task_reject_on_worker_lost": True,
    "task_retry_on_worker_lost": True,
}
# What is no weakening, though one might think so.
HARMLESS: dict[str, Any] = {
    "task_acks_late": True,
    "task_track_started": True,
    "worker_prefetch_multiplier": 4,
    "result_expires": 7200,
    "broker_transport_options": {"visibility_timeout": 1},
    "task_acks_on_failure_or_timeout": False,
    "worker_cancel_long_running_tasks_on_connection_loss": True,
}


def app_with(url: str = "redis://127.0.0.1:1/0", **settings: Any) -> Celery:
    app = Celery("weak", broker=url, backend=f"headway+{url}", set_as_current=False)
    app.conf.update({"task_acks_late": True, **settings})

    @app.task(name="one", shared=False)
    def one() -> None: ...

    return app


@pytest.mark.parametrize("never", [None, 0])
def test_results_that_are_to_stay_for_ever_are_named(never: int | None):
    assert any("result_expires is off" in one for one in weakened(app_with(result_expires=never)))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_weakens_a_promise_is_named_at_the_start(
    name: str, caplog: pytest.LogCaptureFixture
):
    app = app_with(**{name: SETTINGS[name]})

    with caplog.at_level(logging.INFO):
        log_what_is_live(app)

    promise, warning = caplog.records
    assert (promise.levelname, warning.levelname) == ("INFO", "WARNING")
    assert warning.getMessage().startswith(f"{name} is ")
    assert app.conf[name] == SETTINGS[name]


@pytest.mark.parametrize("name", HARMLESS)
def test_one_that_weakens_none_is_not(name: str):
    assert list(weakened(app_with(**{name: HARMLESS[name]}))) == []


@pytest.mark.parametrize("name", ["reject_on_worker_lost", "retry_on_worker_lost"])
def test_a_single_task_s_own_is_named_too(name: str):
    app = app_with()

    @app.task(name="other", shared=False, **{name: True})
    def other() -> None: ...

    [sentence] = weakened(app)

    assert sentence.startswith(f"task_{name} is on")


def test_the_promise_says_from_when_on_it_holds(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        log_what_is_live(app_with())
        log_what_is_live(app_with(task_acks_late=False))

    late, early = caplog.messages
    promise = "tasks are live: claimed by one worker at a time, leased, pushed and recovered"
    assert late.partition(" ")[2] == promise
    assert early.partition(" ")[2] == f"{promise} from their claim on, as task_acks_late is off"


def test_the_command_names_them_too(redis_url: str):
    app = app_with(redis_url, task_ignore_result=True)

    found = [one.text for one in findings(app) if one.subject == "settings"]

    assert found == ["task_ignore_result is on: tasks end without their results"]


# What holds all the same, with real workers.


class Started:
    """A worker with some settings, and a client that has none of them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.client = Celery("client", broker=url, backend=url, set_as_current=False)
        self._url = url
        self._folder = folder

    def worker(self, *options: str, held: Path | None = None, **settings: Any) -> Process:
        """Start one; `held` gets a file once a task is held before its claim."""
        env = {"REDIS_URL": self._url, "SETTINGS": json.dumps(settings), "HELD": str(held or "")}
        return worker(self._folder, env, "celery", "tests.weakened_project", *options)

    def send(self, name: str, *args: Any) -> Any:
        return self.client.send_task(f"weakened.{name}", args)


@pytest.fixture
def started(redis_url: str, tmp_path: Path) -> Started:
    return Started(redis_url, tmp_path)


@pytest.mark.parametrize("name", ["task_reject_on_worker_lost", "task_retry_on_worker_lost"])
def test_a_worker_keeps_the_setting_and_recovers_a_killed_process(
    started: Started, records: Records, tmp_path: Path, name: str
):
    value = SETTINGS[name]
    with running(started.worker(**{"task_acks_late": True, name: value})) as it:
        lost = started.send("die_once", str(tmp_path / "mark"))

        assert lost.get(timeout=PATIENCE) == "alive"
        assert started.send("setting", name).get(timeout=PATIENCE) == repr(value)
        assert f"{name} is " in it.output()
    snapshot = shown(records, lost.id)
    assert snapshot is not None
    assert (snapshot.phase, snapshot.attempt) == (Phase.SUCCEEDED, 2)


def test_without_results_a_task_still_shows_that_it_ended(started: Started, records: Records):
    with running(started.worker(task_ignore_result=True)):
        result = started.send("setting", "task_ignore_result")
        snapshot = wait_for(lambda: (s := shown(records, result.id)) and s.finished_at and s)

    assert (snapshot.phase, snapshot.result) == (Phase.SUCCEEDED, None)


def test_a_message_that_comes_again_while_its_task_runs_is_dropped(
    started: Started, records: Records
):
    """So a visibility timeout may be shorter than a task, and than a lease."""
    options = {
        "visibility_timeout": 1,
        "unacked_restore_interval": 0.3,
        "unacked_restore_throttle": 1,
    }
    workers = started.worker("-P", "threads", task_acks_late=True, broker_transport_options=options)
    with running(workers) as it:
        result = started.send("run", 4)

        assert result.get(timeout=PATIENCE) == "run"
        wait_for(lambda: f"[{result.id}] ignored" in it.output())  # it has come again
    assert records.client.get("runs") == "1"


@pytest.mark.parametrize("late", [True, False])
def test_a_task_whose_worker_dies_before_its_claim_stays_with_the_broker_if_acknowledged_late(
    started: Started, records: Records, tmp_path: Path, late: bool
):
    held = tmp_path / "held"
    with running(started.worker(held=held, task_acks_late=late)) as it:
        result = started.send("run", 0)
        wait_for(held.exists)
        wait_for(lambda: records.client.hlen("unacked") == int(late))
        it.kill()

    assert shown(records, result.id) is None  # a client without Headway has sent it
    assert records.client.hlen("unacked") == int(late)

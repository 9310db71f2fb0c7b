"""What stands in for parts that the oldest Celery lacks; `make matrix` has it in its place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import Any
from uuid import uuid4

import pytest
from celery import chord
from celery.backends.base import Backend

from headway.celery import OLDEST
from headway.celery.releases import fail_chain
from headway.snapshot import Phase
from headway.store.records import Records
from tests.bodies import live_celery
from tests.by_hand import shown
from tests.processes import ROOT


@pytest.fixture(params=["with Celery's own", "without it"])
def backend(request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "without it":
        monkeypatch.delattr(Backend, "_fail_chain", raising=False)
    elif not hasattr(Backend, "_fail_chain"):
        pytest.skip("This Celery has none.")
    return live_celery(redis_url).backend


def test_what_waits_for_a_failed_task_fails_down_to_the_body_of_a_chord(
    backend: Any, records: Records
):
    app = backend.app
    after, body, part = (str(uuid4()) for _ in range(3))
    waiting = chord([app.signature("part", task_id=part)], app.signature("total", task_id=body))

    fail_chain(
        backend,
        [waiting, app.signature("part", task_id=after)],
        ValueError("no"),
        None,
        store_result=True,
        state="FAILURE",
    )

    assert {shown(records, each).phase for each in (after, body)} == {Phase.FAILED}
    assert shown(records, after).error == {"type": "ValueError", "message": "no"}
    assert shown(records, part) is None


@pytest.mark.parametrize("chain", [None, 5, []])
def test_without_a_chain_nothing_fails(backend: Any, chain: Any):
    fail_chain(backend, chain, ValueError("no"), None, store_result=True, state="FAILURE")


OLD_CELERY = """
import celery
celery.VERSION, celery.__version__ = (5, 5, 3, "", ""), "5.5.3"
import headway.celery.backend
"""


def test_an_older_celery_is_refused_in_one_line():
    done = subprocess.run([sys.executable, "-c", OLD_CELERY], capture_output=True, text=True)

    assert done.stderr.splitlines()[-1] == (
        "ImportError: Celery 5.5.3 is too old for Headway, which needs 5.6.3 or newer: "
        "pip install --upgrade celery"
    )


def test_the_oldest_celery_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = ".".join(map(str, OLDEST))

    assert f"celery[redis]>={oldest},<5.8" in project["dependencies"]

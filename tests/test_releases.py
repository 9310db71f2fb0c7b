"""What stands in for parts that the oldest Celery lacks; `make matrix` has it in its place."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from celery import chord
from celery.backends.base import Backend

from headway.celery.releases import fail_chain
from headway.snapshot import Phase
from headway.store.records import Records
from tests.bodies import live_celery
from tests.by_hand import shown


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

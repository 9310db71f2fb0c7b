"""Everybody who calls a result backend in the installed Celery, with what it hands over: none of
them may raise.

A caller that a later Celery adds is not in the table, and turns the first test red.
"""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from typing import Any
from uuid import UUID

import celery
import pytest
from celery import Celery, states
from celery.app.task import Context
from celery.backends.base import Backend
from celery.exceptions import NotRegistered, Reject, Retry, TimeLimitExceeded, WorkerLostError
from celery.utils.objects import Bunch
from redis.exceptions import ResponseError

from headway.celery.backend import LiveBackend
from headway.celery.storing.fencing import FENCE
from headway.store.model import Delivery
from headway.store.records import Records
from headway.store.runs import RunRecords
from tests.by_hand import shown

STORES = {
    "mark_as_started",
    "mark_as_done",
    "mark_as_failure",
    "mark_as_retry",
    "mark_as_revoked",
    "store_result",
    "chord_error_from_stack",
    "fail_from_current_stack",
    "_fail_chain",
    "_call_task_errbacks",
    "on_task_call",
    "process_cleanup",
    "cleanup",
    "forget",
}
OVERRIDDEN = {
    "mark_as_started",
    "mark_as_done",
    "mark_as_failure",
    "mark_as_retry",
    "mark_as_revoked",
}

CALLERS = {
    # (file, function, method): (request, state)
    ("app/base.py", "send_task", "on_task_call"): ("none", ""),
    ("app/builtins.py", "backend_cleanup", "cleanup"): ("none", ""),
    ("app/builtins.py", "unlock_chord", "chord_error_from_stack"): ("none", "FAILURE"),
    ("app/task.py", "update_state", "store_result"): ("context", "by hand"),
    ("app/trace.py", "handle_failure", "mark_as_failure"): ("context", "FAILURE"),
    ("app/trace.py", "handle_retry", "mark_as_retry"): ("context", "RETRY"),
    ("app/trace.py", "trace_task", "mark_as_done"): ("context", "SUCCESS"),
    ("app/trace.py", "trace_task", "process_cleanup"): ("none", ""),
    ("app/trace.py", "trace_task", "store_result"): ("context", "STARTED"),
    ("backends/base.py", "_handle_group_chord_error", "_call_task_errbacks"): ("made up", ""),
    ("backends/base.py", "_handle_group_chord_error", "fail_from_current_stack"): (
        "none",
        "FAILURE",
    ),
    ("backends/base.py", "_handle_group_chord_error", "mark_as_failure"): ("none", "FAILURE"),
    ("backends/base.py", "chord_error_from_stack", "_call_task_errbacks"): ("made up", ""),
    ("backends/base.py", "chord_error_from_stack", "fail_from_current_stack"): ("none", "FAILURE"),
    ("backends/base.py", "fail_from_current_stack", "mark_as_failure"): ("none", "FAILURE"),
    ("backends/base.py", "on_chord_part_return", "chord_error_from_stack"): ("none", "FAILURE"),
    ("backends/redis.py", "on_chord_part_return", "chord_error_from_stack"): ("none", "FAILURE"),
    ("canvas.py", "election", "on_task_call"): ("none", ""),
    ("contrib/abortable.py", "abort", "store_result"): ("none", "by hand"),
    ("result.py", "forget", "forget"): ("none", ""),
    ("worker/consumer/consumer.py", "on_unknown_task", "mark_as_failure"): ("bunch", "FAILURE"),
    ("worker/control.py", "_revoke", "mark_as_revoked"): ("none", "REVOKED"),
    ("worker/request.py", "_announce_cancelled", "mark_as_retry"): ("context", "RETRY"),
    ("worker/request.py", "_announce_revoked", "mark_as_revoked"): ("context", "REVOKED"),
    ("worker/request.py", "on_failure", "mark_as_failure"): ("context", "FAILURE"),
    ("worker/request.py", "on_timeout", "mark_as_failure"): ("context", "FAILURE"),
}
SINCE_5_7 = {
    ("backends/base.py", "_fail_chain", "store_result"): ("signature", "FAILURE"),
    ("backends/base.py", "chord_error_from_stack", "_fail_chain"): ("none", "FAILURE"),
    ("worker/request.py", "_retry_worker_lost", "mark_as_retry"): ("context", "RETRY"),
    ("worker/strategy.py", "task_message_handler", "mark_as_failure"): ("context", "FAILURE"),
}
if hasattr(Backend, "_fail_chain"):
    CALLERS |= SINCE_5_7

ID = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"

REQUESTS: dict[str, Any] = {
    "none": None,
    "context": Context(
        id=ID, task="add", args=(1,), kwargs={}, delivery_info={}, **{FENCE: "token"}
    ),
    "context without a delivery": Context(id=ID, task="add"),
    "empty context": Context(),
    "bunch": Bunch(
        name="gone", chord=None, root_id=None, correlation_id=ID, reply_to=None, errbacks=None
    ),
    "signature": Context(
        {"task": "add", "options": {"task_id": ID}, "subtask_type": None, "id": ID}
    ),
    "made up": Context(id=ID, errbacks=[], delivery_info={}, task="unknown"),
    "context without a name": Context(id=ID, delivery_info={}),
    "mapping": {"id": ID, "task": "add"},
    "worker's own": Bunch(_context=Context(id=ID, task="add", delivery_info={}), id=ID),
    "odd types": Context(
        id=ID, task=["add"], retries="x", replaced_task_nesting=object(), delivery_info=None
    ),
    "odd chain": Context(id=ID, task="add", chain=5, errbacks=7, chord=None),
    "object": object(),
}
ENDS = [
    ("mark_as_failure", NotRegistered("gone"), "failed"),
    ("mark_as_failure", ValueError(object(), lambda: 0), "failed"),
    ("mark_as_failure", TimeLimitExceeded(1), "failed"),
    ("mark_as_failure", WorkerLostError("gone"), "failed"),
    ("mark_as_failure", Reject("no", requeue=False), "failed"),
    ("mark_as_failure", None, "failed"),
    ("mark_as_revoked", "terminated", "cancelled"),
    ("mark_as_revoked", None, "cancelled"),
    ("mark_as_retry", Retry("cancelled by Celery"), "retrying"),
    ("mark_as_retry", None, "retrying"),
    ("mark_as_done", {"a": 1}, "succeeded"),
]


class Unspeakable(Exception):
    """An exception that nothing can be asked of."""

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no arguments")


@pytest.fixture
def backend(records: Records, redis_url: str) -> LiveBackend:
    app = Celery(
        "callers",
        backend=f"headway.celery.backend.LiveBackend+{redis_url}",
        task_cls="headway.celery.task:LiveTask",
        set_as_current=False,
    )

    @app.task(name="add", shared=False)
    def add(x: Any) -> Any:
        return x

    return app.backend


def claim(records: Records, token: str = "token", task_id: str = ID) -> None:
    message = {"task": "add", "args": [1], "kwargs": {}, "options": {"queue": "celery"}}
    delivery = Delivery(token, 0)
    assert (
        records.runs.claim(
            task_id, delivery, "run", message=message, max_attempts=4, hostname="here"
        )
        == "claimed"
    )


def callers() -> set[tuple[str, str, str]]:
    """Who calls what of a backend: file, function, method."""
    root = Path(celery.__file__).parent
    found = set()

    def walk(node: ast.AST, file: str, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            called = child.func if isinstance(child, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in STORES:
                owner = getattr(called.value, "attr", getattr(called.value, "id", ""))
                if "backend" in owner or (owner == "self" and file.startswith("backends")):
                    found.add((file, function, called.attr))
            walk(child, file, child.name if isinstance(child, ast.FunctionDef) else function)

    ours = ("backends/base.py", "backends/redis.py")
    for path in root.rglob("*.py"):
        file = path.relative_to(root).as_posix()
        if not file.startswith(("contrib/testing", "backends/")) or file in ours:
            walk(ast.parse(path.read_text()), file, "")
    return {each for each in found if each[1] not in OVERRIDDEN}


def test_the_table_has_every_caller_in_celery():
    assert callers() == set(CALLERS)
    assert {request for request, _ in CALLERS.values()} <= set(REQUESTS)


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(("method", "value", "phase"), ENDS)
def test_an_end_is_stored_whatever_request_comes_with_it(
    backend: LiveBackend, records: Records, kind: str, method: str, value: Any, phase: str
):
    """For a task without a record, also one that this app does not know."""
    getattr(backend, method)(ID, value, request=REQUESTS[kind])

    snapshot = shown(records, ID)
    assert snapshot is not None
    assert snapshot.phase == phase
    assert (
        backend.get_task_meta(ID)["status"] == {"cancelled": "REVOKED"}.get(phase, snapshot.state)
        or phase == "retrying"
    )


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(("method", "value", "phase"), ENDS)
def test_a_run_ends_by_its_own_delivery_or_by_nobodys(
    backend: LiveBackend, records: Records, kind: str, method: str, value: Any, phase: str
):
    claim(records)

    getattr(backend, method)(ID, value, request=REQUESTS[kind])

    # of which process?
    known = kind == "context" or (kind == "none" and not isinstance(value, WorkerLostError))
    assert shown(records, ID).phase == (phase if known else "running")


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(
    "method", ["mark_as_failure", "mark_as_revoked", "mark_as_retry", "mark_as_done"]
)
def test_after_an_end_nothing_changes_and_nobody_raises(
    backend: LiveBackend, records: Records, kind: str, method: str
):
    backend.mark_as_done(ID, 1)
    before = shown(records, ID)

    getattr(backend, method)(
        ID, "late" if method == "mark_as_done" else ValueError("late"), request=REQUESTS[kind]
    )

    assert shown(records, ID) == before


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("serializer", ["json", "pickle"])
@pytest.mark.parametrize("method", ["mark_as_failure", "mark_as_retry"])
def test_what_cannot_be_stored_as_it_is_is_stored_in_words_and_logged_once(
    backend: LiveBackend,
    records: Records,
    caplog: pytest.LogCaptureFixture,
    method: str,
    serializer: str,
    extended: bool,
):
    backend.app.conf.update(
        result_serializer=serializer, result_accept_content=[serializer], result_extended=extended
    )
    backend = backend.app._get_backend()
    claim(records)
    request = Context(
        id=ID, task="add", args=(object(),), children=7, delivery_info={}, **{FENCE: "token"}
    )

    getattr(backend, method)(ID, Unspeakable("disk full"), "traceback", request=request)

    snapshot = shown(records, ID)
    assert (snapshot.phase, snapshot.error["type"]) == (
        "failed" if "fail" in method else "retrying",
        "Unspeakable",
    )
    logged = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(logged) == (1 if serializer == "json" else 0)  # a pickle can be made of it
    assert type(backend.get_result(ID)).__name__ == "Unspeakable"


def test_what_cannot_be_stored_at_all_is_logged_and_left(
    backend: LiveBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(*_: object) -> None:
        raise ResponseError("this is not taken")

    for name in ("write", "begin_write"):
        monkeypatch.setattr(RunRecords, name, refuse)

    for method, value in (
        ("mark_as_failure", ValueError("x")),
        ("mark_as_revoked", "x"),
        ("mark_as_retry", None),
    ):
        getattr(backend, method)(ID, value, request=REQUESTS["bunch"])
    backend.store_result(ID, {"current": 1}, "PROGRESS")

    assert caplog.text.count("is not stored: this is not taken") == 3
    assert "State PROGRESS" in caplog.text


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, {"a": object()}, float("nan"), "\udce9", b"bytes"]
)
@pytest.mark.parametrize("state", ["PROGRESS", "UPLOADING", "PENDING", "SUCCESS"])
def test_a_state_that_cannot_be_stored_ends_nobody(backend: LiveBackend, state: str, value: Any):
    assert backend.store_result(ID, value, state) is value
    backend.mark_as_started(ID, pid=value)


def test_a_task_that_sets_another_ones_state_writes_as_nobody(
    backend: LiveBackend, records: Records
):
    """`update_state(task_id=...)` hands over the request of the task that calls it."""
    claim(records, "its own")
    other = Context(id=str(UUID(int=1)), task="add", group="g", **{FENCE: "another"})

    backend.store_result(ID, {"current": 3, "total": 4}, "PROGRESS", request=other)

    assert shown(records, ID).current == 3
    assert "group_id" not in backend.get_task_meta(ID)


def test_a_task_that_this_worker_does_not_know_keeps_its_name(
    backend: LiveBackend, records: Records
):
    backend.mark_as_failure(ID, NotRegistered("gone"), request=REQUESTS["bunch"])

    snapshot = shown(records, ID)
    assert (snapshot.name, snapshot.error["type"]) == ("gone", "NotRegistered")
    assert "gone" in snapshot.error["message"]


@pytest.mark.parametrize("limit", [None, 0, 2, "x"])
def test_a_task_that_may_retry_for_ever_ends(backend: LiveBackend, records: Records, limit: Any):
    @backend.app.task(name="patient", max_retries=limit, bind=True, shared=False)
    def patient(self: Any) -> None: ...

    for retries in range(9):
        request = Context(
            id=ID, task="patient", retries=retries, delivery_info={}, **{FENCE: f"token {retries}"}
        )
        delivery = Delivery(f"token {retries}", retries)
        message = {"task": "patient", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
        if (
            records.runs.claim(
                ID, delivery, f"run {retries}", message=message, max_attempts=4, hostname=""
            )
            == "final"
        ):
            break
        backend.mark_as_retry(ID, ValueError("again"), request=request)

    assert shown(records, ID).attempt == (9 if limit is None else 1 if limit in (0, "x") else 3)
    if limit is None:
        backend.mark_as_failure(ID, ValueError("enough"), request=Context(vars(request), retries=9))
    assert shown(records, ID).phase == "failed"


def test_each_of_celerys_words_set_by_hand_is_shown_and_queues_nothing(
    backend: LiveBackend, records: Records
):
    for state in [
        *sorted(states.ALL_STATES - states.READY_STATES),
        "IGNORED",
        "ABORTED",
        "UPLOADING",
    ]:
        task_id = f"by-hand-{state}"
        claim(records, task_id=task_id)
        request = Context(id=task_id, task="add", delivery_info={}, **{FENCE: "token"})

        assert (
            backend.runs.report(request, state, {"status": "Preparing", "current": 1, "total": 2})
            == "written"
        )
        told = shown(records, task_id)
        assert (told.phase, told.status, told.current) == ("running", "Preparing", 1), state
        assert backend.runs.report(request, state, None) == "written"
        own_word = "" if state in ("STARTED", "PROGRESS") else state
        assert shown(records, task_id).status == own_word
        assert backend.get_task_meta(task_id)["status"] == state

        backend.store_result(task_id, None, state)  # by another program
        assert shown(records, task_id).phase == "running"
        assert records.client.zscore("headway:leases", task_id)
        assert not records.client.zscore("headway:waiting:celery", task_id)
        assert not records.client.zscore("headway:outbox", task_id)
        backend.mark_as_done(task_id, "done", request)
        assert shown(records, task_id).phase == "succeeded"


@pytest.mark.parametrize("state", ["PENDING", "RECEIVED", "RETRY"])
def test_a_word_set_by_hand_leaves_a_task_that_waits_where_it_is(
    backend: LiveBackend, records: Records, state: str
):
    message = {"task": "add", "args": [1], "kwargs": {}, "options": {"queue": "celery"}}
    for when in ("", "+3600000000"):
        task_id = records.starts.create(
            owner="ada", message=message, title="Add", max_attempts=4, when=when
        ).task_id
        before = shown(records, task_id)
        due = records.client.zscore("headway:outbox", task_id)

        backend.store_result(task_id, None, state)

        after = shown(records, task_id)
        assert (after.phase, after.scheduled_for) == (before.phase, before.scheduled_for)
        assert records.client.zscore("headway:outbox", task_id) == due
        assert (
            records.runs.claim(
                task_id, Delivery("t", 0), "r", message=message, max_attempts=4, hostname=""
            )
            == "claimed"
        )


@pytest.mark.parametrize(
    ("state", "meta", "phase", "words"),
    [
        (
            "SUCCESS",
            {"current": 1, "total": 1, "status": "Copied", "result": 3},
            "succeeded",
            "Copied",
        ),
        ("SUCCESS", None, "succeeded", ""),
        (
            "FAILURE",
            {"exc_type": "OSError", "exc_message": ["disk full"], "exc_module": "builtins"},
            "failed",
            "disk full",
        ),
        ("FAILURE", {"status": "disk full"}, "failed", "disk full"),
        ("FAILURE", None, "failed", "Failure"),
        ("REVOKED", {"status": "Not wanted"}, "cancelled", "Not wanted"),
        ("REVOKED", None, "cancelled", "Cancelled"),
    ],
)
def test_an_end_set_by_hand_is_the_end_and_its_run_goes_on(
    backend: LiveBackend, records: Records, state: str, meta: Any, phase: str, words: str
):
    claim(records)
    request = Context(id=ID, task="add", delivery_info={}, **{FENCE: "token"})

    assert backend.runs.report(request, state, meta) == "written"
    ended = shown(records, ID)
    assert (ended.phase, ended.status) == (phase, words)
    assert backend.runs.report(request, "PROGRESS", {"current": 1}) == "written"  # nothing stops it
    backend.mark_as_done(ID, "returned", request)
    backend.mark_as_failure(ID, ValueError("raised"), request=request)

    assert shown(records, ID) == ended
    assert (
        records.maintenance.sweep("leader").due
        == records.maintenance.sweep("leader").exhausted
        == []
    )

"""A chord, the rest of a chain and error callbacks hear of each end of a task, also of one
outside of its run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, states
from celery.app.task import Context
from celery.exceptions import WorkerLostError

from headway.celery.storing import dependents
from headway.celery.storing.fencing import FENCE
from headway.snapshot import Phase
from headway.store.model import Delivery, NotifiedBy, StateWrite
from headway.store.records import Records
from tests.bodies import live_celery
from tests.by_hand import shown

ERRBACK = "another.app"  # an error callback that is not registered here, which Celery sends on
RUN = Delivery("token", 0)


class Part:
    """A part of a chord that waits for it alone.

    It is the head of a chain, and has an error callback.
    """

    def __init__(self, app: Celery, records: Records) -> None:
        self.app = app
        self.backend = app.backend
        self.records = records
        self.id, self.body, self.next, group = (str(uuid4()) for _ in range(4))
        self.backend.set_chord_size(group, 1)
        options = {
            "queue": "celery",
            "chord": app.signature("total", task_id=self.body),
            "chain": [app.signature("part", task_id=self.next)],
            "link_error": [app.signature(ERRBACK)],
            "group_id": group,
            "group_index": 0,
        }
        self.message = {"task": "part", "args": [1], "kwargs": {}, "options": options}
        self.request = dependents.request_of(self.id, self.message, **{FENCE: "token"})

    def defer(self, when: str = "+3600000000") -> None:
        message = dependents.marked(self.message)
        assert self.records.outbox.defer(
            self.id, 0, message=message, max_attempts=4, when=when, run=Delivery()
        ) in (
            "deferred",
            "due",
        )

    def claim(self, max_attempts: int = 4) -> None:
        message = dependents.marked(self.message)
        outcome = self.records.runs.claim(
            self.id, RUN, "run", message=message, max_attempts=max_attempts, hostname=""
        )
        assert outcome == "claimed"

    def write(self, phase: Phase, notified_by: NotifiedBy = "maintenance") -> str:
        meta = self.backend.encode(
            {"status": "FAILURE", "result": None, "traceback": None, "children": []}
        )
        return self.records.runs.write(
            StateWrite(self.id, RUN, phase, {}, meta, "part", 4, notified_by=notified_by)
        )

    def lose(self) -> None:
        # somebody does the rounds
        self.records.client.set("headway:last_sweep", self.records.clock.now())
        self.records.client.delete("headway:grace")
        self.records.client.zadd("headway:leases", {self.id: 0})

    def maintain(self) -> None:
        """Do one round as a worker's maintenance does."""
        swept = self.records.maintenance.sweep("leader")
        for task_id, token, message in swept.exhausted:
            self.backend.runs.give_up(task_id, token, message)
        for task_id, message in swept.ended:
            self.backend.dependents.notify_dependents(task_id, message)

    def told(self) -> dict[str, str]:
        """The states of those that depend on it; "sent" where the error callback was."""
        ids = {"body": self.body, "next": self.next}
        found = {
            name: self.backend.get_task_meta(task_id, cache=False)["status"]
            for name, task_id in ids.items()
        }
        queued = [
            json.loads(each)["headers"]["task"]
            for each in self.records.client.lrange("celery", 0, -1)
        ]
        sent = {"errback": f"sent {queued.count(ERRBACK)} times"} if ERRBACK in queued else {}
        return {name: state for name, state in found.items() if state != states.PENDING} | sent


@pytest.fixture
def part(records: Records, redis_url: str) -> Part:
    app = live_celery(redis_url)
    for name in ("part", "total"):
        _task(app, name)
    return Part(app, records)


def _task(app: Celery, name: str) -> None:
    @app.task(name=name, shared=False)
    def run(*_: Any) -> None: ...


CANCELLED = {"body": "FAILURE", "next": "REVOKED"}
FAILED = {"body": "FAILURE", "next": "FAILURE", "errback": "sent 1 times"}


def cancel(part: Part) -> None:
    assert part.records.cancel(part.id).outcome in ("cancelled", "cancelling")


def cancel_scheduled(part: Part) -> None:
    part.defer()
    cancel(part)


def cancel_due(part: Part) -> None:
    part.defer("+0")
    part.records.maintenance.sweep("leader")
    cancel(part)


def cancel_queued_again(part: Part) -> None:
    part.claim()
    part.lose()
    part.maintain()
    cancel(part)


def cancel_without_holder(part: Part) -> None:
    part.claim()
    part.records.runs.abandon(part.id, RUN)
    cancel(part)


def cancel_and_lose(part: Part) -> None:
    part.claim()
    cancel(part)
    part.lose()


def cancel_and_kill(part: Part) -> None:
    part.claim()
    cancel(part)
    part.records.client.set("headway:last_sweep", part.records.clock.now())
    part.backend.mark_as_failure(part.id, WorkerLostError("killed"), request=part.request)


def cancel_and_stop_the_worker(part: Part) -> None:
    part.claim()
    cancel(part)
    part.records.maintenance.release([(part.id, "token")])


def cancel_and_retry(part: Part) -> None:
    part.claim()
    cancel(part)
    part.backend.mark_as_retry(part.id, ValueError("again"), request=part.request)


def cancel_retrying(part: Part) -> None:
    part.claim()
    part.backend.mark_as_retry(part.id, ValueError("again"), request=part.request)
    cancel(part)


def cancel_and_claim_again(part: Part) -> None:
    part.claim()
    cancel(part)
    message = dependents.marked(part.message)
    again = Delivery("another", 0)
    assert (
        part.records.runs.claim(part.id, again, "r", message=message, max_attempts=4, hostname="")
        == "cancelled"
    )


def revoke_scheduled(part: Part) -> None:
    part.defer()
    part.backend.mark_as_revoked(part.id, "revoked")


def stop_by_itself(part: Part) -> None:
    part.claim()
    cancel(part)
    part.backend.mark_as_revoked(part.id, "Cancelled", request=part.request)


def expire(part: Part) -> None:
    part.backend.mark_as_revoked(part.id, "expired", request=part.request)


def revoke_by_hand(part: Part) -> None:
    part.claim()
    part.backend.runs.report(part.request, "REVOKED", None)


def lose_for_good(part: Part) -> None:
    part.claim(max_attempts=1)
    part.lose()


def fail_by_hand(part: Part) -> None:
    part.claim()
    part.backend.runs.report(
        part.request,
        "FAILURE",
        {"exc_type": "OSError", "exc_message": ["full"], "exc_module": "builtins"},
    )


def fail_by_hand_in_words(part: Part) -> None:
    part.claim()
    part.backend.runs.report(part.request, "FAILURE", {"status": "disk full"})


def fail_from_outside(part: Part) -> None:
    part.claim()
    part.backend.store_result(part.id, ValueError("stopped"), "FAILURE")


def fail_and_die(part: Part) -> None:
    """Its process dies after it has stored the end, and before it told anybody."""
    part.claim()
    assert part.write(Phase.FAILED, "writer") == "written"
    assert part.records.maintenance.sweep("leader").ended == []  # it is left to it for a while
    part.records.client.zadd("headway:unnotified", {part.id: 0}, xx=True)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (cancel_scheduled, CANCELLED),
        (cancel_due, CANCELLED),
        (cancel_queued_again, CANCELLED),
        (cancel_without_holder, CANCELLED),
        (cancel_and_lose, CANCELLED),
        (cancel_and_kill, CANCELLED),
        (cancel_and_stop_the_worker, CANCELLED),
        (cancel_and_retry, CANCELLED),
        (cancel_retrying, CANCELLED),
        (cancel_and_claim_again, CANCELLED),
        (revoke_scheduled, CANCELLED),
        (stop_by_itself, CANCELLED),
        (expire, CANCELLED),
        (revoke_by_hand, CANCELLED),
        (lose_for_good, FAILED),
        (fail_by_hand, FAILED),
        (fail_by_hand_in_words, FAILED),
        (fail_from_outside, FAILED),
        (fail_and_die, FAILED),
    ],
)
def test_who_depends_on_a_task_hears_of_its_end(
    part: Part, way: Callable[[Part], None], told: dict[str, str]
):
    way(part)
    part.maintain()
    part.maintain()

    assert shown(part.records, part.id).final
    assert part.told() == told
    assert not part.records.client.zcard("headway:unnotified")


def test_a_success_that_was_stored_as_its_process_died_counts_in_its_chord(part: Part):
    part.claim()
    part.backend.runs.report(part.request, "SUCCESS", {"result": 3})
    part.maintain()

    assert part.body in "".join(part.records.client.lrange("celery", 0, -1))
    assert part.told() == {}


@pytest.mark.parametrize("late", ["announced", "claimed"])
def test_a_revoked_part_without_a_record_is_told_of_when_its_message_comes(part: Part, late: str):
    """A command to revoke knows an id and no more."""
    part.backend.mark_as_revoked(part.id, "revoked")
    part.maintain()
    assert part.told() == {}

    for _ in range(2):
        if late == "announced":
            part.backend.mark_as_revoked(part.id, "revoked", request=part.request)
        else:
            task = part.app.tasks["part"]
            task.request_stack.push(part.request)
            assert part.backend.claims.claim(part.id, task) == "final"

    assert part.told() == CANCELLED
    assert not part.records.client.zcard("headway:unnotified")


def test_an_unknown_tasks_chord_is_told_by_its_message(part: Part):
    class Bunch:
        name = "part"
        chord = None
        errbacks = None
        root_id = None

    part.backend.mark_as_failure(part.id, LookupError("part"), request=Bunch())
    assert part.told() == {}

    part.backend.dependents.notify_by_request(part.request)
    part.backend.dependents.notify_by_request(part.request)

    assert part.told() == FAILED


def test_one_at_a_time_tells(part: Part):
    cancel_scheduled(part)

    assert part.records.maintenance.may_notify(part.id)
    assert not part.records.maintenance.may_notify(part.id)
    assert part.records.maintenance.sweep("leader").ended == []
    part.records.maintenance.mark_notified(part.id)
    assert not part.records.maintenance.may_notify(part.id)


def test_what_could_not_be_told_is_told_again(part: Part, monkeypatch: pytest.MonkeyPatch):
    part.claim()
    with monkeypatch.context() as patch:
        patch.setattr(part.backend, "on_chord_part_return", lambda *_, **__: 1 / 0)
        part.backend.mark_as_failure(part.id, ValueError("x"), request=part.request)
        part.maintain()
    assert part.told() == {}

    part.records.client.zadd("headway:unnotified", {part.id: 0}, xx=True)
    part.maintain()

    assert part.told() == FAILED


def test_a_task_that_nobody_depends_on_leaves_nothing_behind(part: Part):
    for name in ("chord", "chain", "link_error"):
        del part.message["options"][name]
    cancel_scheduled(part)

    assert not part.records.client.zcard("headway:unnotified")


def test_an_eager_run_tells_without_redis():
    app = Celery(
        "eager",
        backend="headway.celery.backend.LiveBackend+redis://127.0.0.1:1/0",
        set_as_current=False,
    )
    request = Context(
        id="eager",
        task="t",
        is_eager=True,
        errbacks=[],
        chain=None,
        delivery_info={"is_eager": True},
    )

    app.backend.mark_as_failure(
        "eager", ValueError("x"), request=Context(vars(request), chain=[{"options": {}}])
    )

"""What tasks send becomes their parts: by `delay`, groups, chains, chords and Headway's own start.

The test's own process does a worker's work, one message after another.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chain, chord, current_task, group

from headway.message_headers import OWNER, PREFIX, TITLE, WAITS
from headway.snapshot import Phase, Snapshot
from headway.store.records import Records
from tests.bodies import do_what_waits, live_celery
from tests.by_hand import shown


class Desk:
    """A Celery app with some tasks, and one who does what they send."""

    def __init__(self, celery: Celery, records: Records) -> None:
        self.celery = celery
        self.records = records
        self.bodies: dict[str, Any] = {}

        @celery.task(name="step", shared=False)
        def step(*args: Any, why: str = "") -> str:
            if why:
                raise OSError(why)
            return "done"

        @celery.task(name="start", shared=False)
        def start(which: str) -> None:
            self.bodies[which]()

        self.step = step
        self.start = start

    def run(self, body: Any) -> str:
        """Run a task with this body, then all that it has sent; returns its id."""
        self.bodies["it"] = body
        task_id = str(self.start.apply_async(["it"], headers={OWNER: "ada"}).id)
        self.work()
        return task_id

    def work(self) -> None:
        """Do what waits in the queue."""
        do_what_waits(self.celery, self.records)

    def snapshot(self, task_id: str) -> Snapshot:
        found = shown(self.records, task_id)
        assert found is not None
        return found

    def parts(self, task_id: str) -> list[tuple[str, Phase]]:
        """The name and the phase of each part of a task."""
        page, _ = self.records.lists.parts(task_id, 100)
        found = [Snapshot.from_json(text) for text in page]
        return [(part.name, part.phase) for part in found]

    def listed(self, owner: str = "ada") -> list[str]:
        return [json.loads(one)["task_id"] for one in self.records.lists.page(owner, 100)[0]]


@pytest.fixture
def desk(redis_url: str, records: Records) -> Iterator[Desk]:
    celery = live_celery(redis_url)
    yield Desk(celery, records)
    gc.collect()  # results say goodbye to Redis
    celery.close()


DONE = ("step", Phase.SUCCEEDED)


def test_what_a_task_sends_is_its_part(desk: Desk):
    parent = desk.run(lambda: (desk.step.delay(), desk.step.apply_async(countdown=0)))

    assert desk.parts(parent) == [DONE, DONE]
    assert desk.listed() == [parent]
    assert desk.snapshot(parent).parent_id is None


def test_a_group_that_a_task_sends_are_its_parts(desk: Desk):
    parent = desk.run(lambda: group(desk.step.s(n) for n in range(3)).apply_async())

    assert desk.parts(parent) == [DONE] * 3
    parts = desk.snapshot(parent).parts
    assert parts is not None
    assert (parts["count"], parts["ended"], parts["progress"]) == (3, 3, 1)


def test_each_task_of_a_chain_is_a_part_beside_the_others(desk: Desk):
    parent = desk.run(lambda: chain(desk.step.si(), desk.step.si(), desk.step.si()).apply_async())

    assert desk.parts(parent) == [DONE] * 3


def test_the_body_of_a_chord_is_a_part_beside_its_others(desk: Desk):
    parent = desk.run(lambda: chord([desk.step.si(), desk.step.si()])(desk.step.si()))

    assert desk.parts(parent) == [DONE] * 3


def test_a_callback_is_a_part_beside_what_it_follows(desk: Desk):
    parent = desk.run(lambda: desk.step.apply_async(link=desk.step.si()))

    assert desk.parts(parent) == [DONE] * 2


def test_a_part_that_fails_is_told_to_its_parent(desk: Desk):
    parent = desk.run(lambda: desk.step.delay(why="no such file"))

    parts = desk.snapshot(parent).parts
    assert parts is not None
    assert parts["first_failed"] is not None
    assert parts["first_failed"]["error"] == {"type": "OSError", "message": "no such file"}


def test_a_part_of_a_part_is_counted_by_its_own_parent(desk: Desk):
    desk.bodies["below"] = desk.step.delay
    parent = desk.run(lambda: desk.start.delay("below"))

    assert desk.parts(parent) == [("start", Phase.SUCCEEDED)]
    page, _ = desk.records.lists.parts(parent, 1)
    assert desk.parts(json.loads(page[0])["task_id"]) == [DONE]


def test_the_first_task_of_a_chain_that_no_task_sends_has_the_rest_as_its_parts(desk: Desk):
    steps = [desk.step.si().set(headers={OWNER: "ada"}) for _ in range(3)]
    last = chain(*steps).apply_async()
    desk.work()

    first = last.parent.parent.id
    assert desk.listed() == [first]
    assert desk.parts(first) == [DONE] * 2


def test_the_tasks_of_a_group_that_no_task_sends_stand_by_themselves(desk: Desk):
    signature = desk.step.si().set(headers={OWNER: "ada"})
    for _ in range(2):
        signature.clone().apply_async(group_id="a group", group_index=0)
    desk.work()

    assert len(desk.listed()) == 2


def test_a_copy_of_a_runs_headers_makes_its_task_the_runs_own_part(desk: Desk):
    """As a task sends on `self.request.headers`, for the sake of the project's own in them."""
    sent = []

    def send_on() -> None:
        own = vars(current_task.request)
        headers = {name: value for name, value in own.items() if name.startswith(PREFIX)}
        sent.append(desk.step.apply_async(headers=headers).id)

    desk.bodies["below"] = send_on
    headers = {TITLE: "What is below", WAITS: 2}
    parent = desk.run(lambda: desk.start.apply_async(["below"], headers=headers))

    [text] = desk.records.lists.parts(parent, 100)[0]
    below = json.loads(text)
    assert below["title"] == "What is below"
    assert desk.parts(below["task_id"]) == [DONE]
    assert desk.snapshot(sent[0]).title == "step"
    assert WAITS not in desk.records.outbox.message(sent[0])[0]["options"]["headers"]

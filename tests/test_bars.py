"""What a bar means: loops within and after one another, steps with and without an index,
numbers without sense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, current_task

from headway import progress
from headway.bars import Section, shown
from headway.snapshot import Snapshot
from headway.state_fields import progress_fields
from headway.store.records import Records
from tests.bodies import live_celery, read, run


@pytest.fixture
def celery(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    # so that each `update_state` is there to be looked at
    monkeypatch.setattr("headway.celery.run.report_sender.OFTEN_SECONDS", 0)
    app = live_celery(redis_url)
    yield app
    app.close()


def bar(snapshot: Snapshot) -> tuple[float, float | None]:
    return snapshot.current, snapshot.total


def beside(snapshot: Snapshot) -> tuple[Any, ...] | None:
    step = snapshot.step
    return step and (step["index"], step["count"], step["name"], step["current"], step["total"])


@pytest.fixture
def watch(celery: Celery, records: Records) -> Callable[..., list[Snapshot]]:
    """Run a body that is given a function to call where it wants to be looked at."""

    def watched(body: Callable[[Callable[[], None]], None]) -> list[Snapshot]:
        seen: list[Snapshot] = []

        def look() -> None:
            progress.flush()
            seen.append(read(records, current_task.request.id))

        def looked_at() -> None:
            body(look)

        run(celery, looked_at)
        return seen

    return watched


def test_of_nested_loops_the_outer_one_is_the_bar_and_the_inner_stands_beside_it(
    watch: Callable[..., Any],
):
    def body(look: Callable[[], None]) -> None:
        for _ in progress.track(range(3), "files"):
            for row in progress.track(range(4), "rows"):
                if row == 2:
                    look()
        look()

    seen = watch(body)

    assert [bar(snapshot) for snapshot in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [beside(snapshot) for snapshot in seen] == [(None, None, "rows", 2, 4)] * 3 + [None]
    assert {snapshot.status for snapshot in seen} == {"files"}


def test_a_loop_after_another_has_a_bar_of_its_own(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        for _ in progress.track(range(5), "Reading"):
            pass
        look()
        for row in progress.track(range(50), "Writing"):
            if row in (0, 20):
                look()

    seen = watch(body)

    assert [(*bar(snapshot), snapshot.status) for snapshot in seen] == [
        (5, 5, "Reading"),
        (0, 50, "Writing"),
        (20, 50, "Writing"),
    ]


def test_of_steps_with_an_index_and_a_count_the_bar_is_all_together(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        for index, name, size in ((1, "Download", 4), (2, "Unpack", 0), (3, "Upload", 8)):
            with progress.step(name, index, 4):
                progress.set(current=0, total=size)
                progress.update(size // 2)
                look()
        look()

    seen = watch(body)

    assert [bar(snapshot) for snapshot in seen] == [(0.5, 4), (1, 4), (2.5, 4), (3, 4)]
    assert [beside(snapshot) for snapshot in seen] == [
        (1, 4, "Download", 2, 4),
        (2, 4, "Unpack", 0, None),
        (3, 4, "Upload", 4, 8),
        None,
    ]


def test_a_loop_in_a_step_has_the_numbers_of_the_step(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        with progress.step("Read", 1, 2):
            for row in progress.track(range(10), "rows of a.csv"):
                if row == 5:
                    look()
        with progress.step("Write", 2, 2):
            look()

    seen = watch(body)

    assert [bar(snapshot) for snapshot in seen] == [(0.5, 2), (1, 2)]
    assert [beside(snapshot) for snapshot in seen] == [
        (1, 2, "Read", 5, 10),
        (2, 2, "Write", 0, None),
    ]
    assert seen[0].status == "rows of a.csv"


def test_a_step_without_an_index_has_a_bar_of_its_own(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        progress.set(current=9, total=10)
        look()
        for name, done in (("Download", 8), ("Upload", 2)):
            with progress.step(name):
                progress.set(current=done, total=10)
                look()
        with progress.step("Cleanup"):
            look()
        progress.update()
        look()

    seen = watch(body)

    assert [bar(snapshot) for snapshot in seen] == [(9, 10), (8, 10), (2, 10), (0, None), (10, 10)]
    assert [beside(snapshot) for snapshot in seen] == [
        None,
        (None, None, "Download", 8, 10),
        (None, None, "Upload", 2, 10),
        (None, None, "Cleanup", 0, None),
        None,
    ]


def test_steps_in_a_loop_stand_beside_it(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        for _ in progress.track(["a", "b"], "files"):
            with progress.step("Upload", 2, 3):
                progress.set(current=1, total=2)
                look()

    seen = watch(body)

    assert [bar(snapshot) for snapshot in seen] == [(0, 2), (1, 2)]
    assert {beside(snapshot) for snapshot in seen} == {(2, 3, "Upload", 1, 2)}


def test_loops_side_by_side_each_count_their_own(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        for row, _ in zip(
            progress.track(range(6), "left"), progress.track(range(6), "right"), strict=True
        ):
            if row == 3:
                look()

    [seen] = watch(body)

    assert (bar(seen), beside(seen)) == ((3, 6), (None, None, "right", 3, 6))


def test_a_loop_that_is_left_early_keeps_its_height_and_the_next_begins_anew(
    watch: Callable[..., Any],
):
    def body(look: Callable[[], None]) -> None:
        for row in progress.track(range(10)):
            if row == 7:
                break
        look()
        for _ in progress.track(range(10)):
            look()
            break

    assert [bar(snapshot) for snapshot in watch(body)] == [(7, 10), (0, 10)]


def test_a_failing_step_is_what_is_shown_last_and_one_that_is_survived_is_not(
    celery: Celery, records: Records
):
    ids: list[str] = []

    def body() -> None:
        ids.append(current_task.request.id)
        with progress.step("Survived", 1, 2):
            try:
                with progress.step("Inner"):
                    raise KeyError
            except KeyError:
                progress.set(current=1, total=2)
        with progress.step("Fatal", 2, 2):
            progress.set(current=1, total=2)
            raise ValueError

    with pytest.raises(ValueError):
        run(celery, body)

    end = read(records, ids[0])
    assert (bar(end), beside(end)) == ((1.5, 2), (2, 2, "Fatal", 1, 2))


@pytest.mark.parametrize(("wrong", "total"), [(15, 10), (-1, 10), (1e299, 10), (3, -5)])
def test_a_number_that_makes_no_sense_is_not_shown_and_silences_no_other(
    watch: Callable[..., Any], wrong: float, total: float
):
    def by_progress(look: Callable[[], None]) -> None:
        progress.set(current=2, total=10)
        look()
        progress.set(current=wrong, total=total)
        look()
        progress.set(current=4, total=10)
        look()

    def by_update_state(look: Callable[[], None]) -> None:
        for current, of in ((2, 10), (wrong, total), (4, 10)):
            current_task.update_state(meta={"current": current, "total": of, "status": "x"})
            look()

    for body in (by_progress, by_update_state):
        assert [bar(snapshot) for snapshot in watch(body)] == [(2, 10), (2, 10), (4, 10)]


def test_within_a_bar_it_never_goes_back_and_a_meta_s_own_step_has_a_bar_of_its_own(
    watch: Callable[..., Any],
):
    def body(look: Callable[[], None]) -> None:
        for meta in (
            {"current": 5, "total": 10},
            {"current": 3, "total": 10},  # back
            {"current": 3, "total": 100},  # and with another total
            {"current": 1, "total": 10, "step": "Upload"},
            {"current": 0, "total": 10, "step": {"name": "Upload"}},  # back
            {"current": 0, "total": 10, "step": {"name": "Verify"}},
            {"current": 1, "total": 2, "step": {"name": "Pack", "index": 2, "count": 4}},
        ):
            current_task.update_state(meta=meta)
            look()

    assert [bar(snapshot) for snapshot in watch(body)] == [
        (5, 10),
        (5, 10),
        (5, 10),
        (1, 10),
        (1, 10),
        (0, 10),
        (1.5, 4),
    ]


def test_a_current_alone_is_of_unknown_many_until_there_is_a_total(watch: Callable[..., Any]):
    def body(look: Callable[[], None]) -> None:
        for meta in ({"current": 5}, {"current": 6}, {"current": 6, "total": 12}, {"current": 7}):
            current_task.update_state(meta=meta)
            look()

    assert [bar(snapshot) for snapshot in watch(body)] == [(5, None), (6, None), (6, 12), (7, 12)]


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("Reading", (None, None, "Reading", 0, None)),
        ({"name": "Reading"}, (None, None, "Reading", 0, None)),
        ({"index": 2, "count": 3}, (2, 3, "", 4, 8)),
        ({"index": 4, "count": 3, "name": "x"}, (None, None, "x", 0, None)),
        ({"index": "two", "count": [], "name": 7}, (None, None, "7", 0, None)),
        ({"index": 2, "count": 3, "current": 15, "total": 10}, (2, 3, "", 0, None)),
        (None, None),
        (17, None),
        ([1], None),
    ],
)
def test_a_step_of_a_meta_is_shown_in_the_snapshot_s_form(said: Any, step: Any):
    shown_step = progress_fields("PROGRESS", {"current": 4, "total": 8, "step": said})["step"]

    assert (shown_step and tuple(shown_step.values())) == step


def test_parts_that_have_said_nothing_show_a_bar_of_unknown_height():
    run_itself = Section()
    step = Section("Upload", parent=run_itself, is_step=True)

    assert shown([run_itself])[:3] == (0, None, None)
    assert shown([step])[:2] == (0, None)


def test_ten_times_a_tenth_is_one():
    section = Section(total=1.0)
    for _ in range(10):
        section.current += 0.1
    section.current += 1e-12

    assert section.numbers == (1.0, 1.0)

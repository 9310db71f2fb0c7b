"""What a task's page says of its run at a glance."""

from __future__ import annotations

from typing import Any

import pytest

from headway.web.pages.facts import facts
from headway.web.pages.timeline import timeline

CREATED = "2026-11-30T08:00:00.000Z"
TASK = {
    "created_at": CREATED,
    "scheduled_for": None,
    "started_at": "2026-11-30T08:00:02.000Z",
    "finished_at": "2026-11-30T08:00:14.400Z",
    "phase": "succeeded",
    "attempt": 1,
    "failures": 0,
}
ERROR = {"type": "OSError", "message": "gone", "traceback": None}
EVENT: Any = {
    "at": "2026-11-30T08:00:10.000Z",
    "attempt": 1,
    "status": "",
    "error": None,
    "worker": None,
    "scheduled_for": None,
    "answered": None,
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["Waited 2.0 s", "Ran 12.4 s"]),
        ({"finished_at": None}, ["Waited 2.0 s"]),
        ({"scheduled_for": "2026-11-30T08:00:01.500Z"}, ["Waited 0.5 s", "Ran 12.4 s"]),
        ({"scheduled_for": "2026-11-30T09:00:00.000Z"}, ["Waited 0 ms", "Ran 12.4 s"]),  # run now
        # Its history does not say when the first began.
        ({"attempt": 3, "failures": 2}, ["Attempt 3"]),
        ({"attempt": 4, "failures": 2}, ["Attempt 3"]),  # and it asked once
        ({"attempt": 3, "failures": 3, "phase": "failed"}, ["Attempt 3"]),
        ({"attempt": 1, "failures": 1, "phase": "failed"}, ["Waited 2.0 s", "Ran 12.4 s"]),
        ({"started_at": None, "attempt": 0}, []),
        # Until when it waits now, `scheduled_for` says: not when it was due at first.
        ({"phase": "retrying", "finished_at": None, "scheduled_for": "2026-11-30T09:00Z"}, []),
    ],
)
def test_it_says_how_long_it_waited_and_ran_and_which_attempt_it_was(
    changes: dict[str, Any], said: list[str]
):
    task: Any = {**TASK, **changes}

    assert [fact.replace("\u202f", " ") for fact in facts(task)] == said


def test_it_ran_from_the_start_of_its_first_attempt():
    task: Any = {**TASK, "started_at": "2026-11-30T08:00:14.381Z", "attempt": 3, "failures": 2}
    begun = [
        ("running", 1, "07"),
        ("retrying", 1, "09"),
        ("running", 2, "10"),
        ("running", 3, "14"),
    ]
    history: Any = [
        {"phase": phase, "attempt": attempt, "at": f"2026-11-30T08:00:{second}.400Z"}
        for phase, attempt, second in begun
    ]

    said = [fact.replace("\u202f", " ") for fact in facts(task, history)]

    assert said == ["Ran 7.0 s", "Attempt 3"]


def test_the_time_until_a_person_answered_is_no_run():
    task: Any = {**TASK, "started_at": "2026-11-30T08:00:11.400Z", "attempt": 2}
    begun = [("running", 1, "02"), ("waiting", 1, "03"), ("queued", 1, "11"), ("running", 2, "11")]
    history: Any = [
        {"phase": phase, "attempt": attempt, "at": f"2026-11-30T08:00:{second}.400Z"}
        for phase, attempt, second in begun
    ]

    said = [fact.replace("\u202f", " ") for fact in facts(task, history)]

    assert said == ["Ran 4.0 s"]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"phase": "queued", "error": None}, "Continued on w1"),
        ({"phase": "retrying", "error": ERROR}, "Attempt 2 started on w1"),
        ({"phase": "queued", "error": ERROR}, "Attempt 2 started on w1"),  # its worker was lost
    ],
)
def test_a_run_after_an_answer_or_a_planned_stop_is_no_other_attempt(
    before: dict[str, Any], words: str
):
    task: Any = {**TASK, "name": "long_task", "attempt": 2}
    running: Any = {**EVENT, "phase": "running", "attempt": 2, "worker": "w1"}

    lines = timeline(task, [{**EVENT, **before}, running])

    assert lines[-1].words == words


def test_no_mark_in_a_name_reorders_the_line_that_says_who_requested_it():
    task: Any = {**TASK, "name": "long_task", "phase": "running", "finished_at": None}

    assert timeline(task, [], "\u202ebob")[0].words == "Requested by bob"

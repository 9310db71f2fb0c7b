"""What a failed assertion on a task's run says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headway.snapshot import STATE, Phase, Snapshot
from headway.testing.task_run import MAX_SHOWN, Details, TaskRun

FIRST = Snapshot(
    task_id="1",
    name="report",
    title="Report",
    state="PROGRESS",
    phase=Phase.RUNNING,
    current=0,
    total=None,
    status="",
    step=None,
    result_size=None,
    error=None,
    attempt=1,
    max_attempts=4,
    version=1,
    queue_position=None,
    queue=None,
    created_at="2026-11-22T08:00:00.000Z",
    scheduled_for=None,
    started_at=None,
    updated_at="2026-11-22T08:00:00.000Z",
    finished_at=None,
    streams={},
    question=None,
    failures=0,
    resume=None,
    parent_id=None,
    parts=None,
    files=None,
)
STEP = {"index": 1, "count": 2, "name": "Reading", "current": 3, "total": 4}
TRACEBACK = """Traceback (most recent call last):
  File "/lib/celery/app/trace.py", line 1, in trace_task
    fun()
  File "/lib/headway/celery/backend.py", line 2, in _call_body
    body()
  File "/shop/report.py", line 3, in report
    celery.app()
  File "/lib/celery/app/base.py", line 4, in deeper
    raise ValueError("why")
ValueError: why
"""


def run_of(*changes: dict[str, Any], whole: Any = None) -> TaskRun:
    run = TaskRun("1", Details(lambda task_id: whole, lambda task_id: TRACEBACK, lambda *_: None))
    for each in changes:
        phase = each.get("phase", Phase.RUNNING)
        run.snapshots.append(replace(FIRST, **each, state=STATE[phase]))
    return run


FAILED = {"phase": Phase.FAILED, "error": {"type": "ValueError", "message": "why"}}
RUN = run_of({}, {"current": 3, "total": 8, "step": STEP, "status": "half"}, {}, FAILED)
DONE = run_of({"phase": Phase.SUCCEEDED, "result": 3})


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: RUN.assert_succeeded(), "it is failed (ValueError: why), not succeeded."),
        (lambda: DONE.assert_succeeded(4), "its result is 3, not 4."),
        (lambda: DONE.assert_failed(), "it is succeeded, not failed."),
        (lambda: RUN.assert_failed("KeyError"), "its error is of type ValueError, not KeyError."),
        (
            lambda: RUN.assert_failed(message="no"),
            "its error says 'why', which does not hold 'no'.",
        ),
        (lambda: RUN.assert_cancelled(), "not cancelled."),
        (lambda: RUN.assert_phases("failed"), "it went through running, failed, not failed."),
        (lambda: RUN.assert_steps("Writing"), "its steps are Reading, not Writing."),
        (lambda: DONE.assert_steps("Writing"), "its steps are none, not Writing."),
        (lambda: RUN.assert_showed(current=3, total=9), "no snapshot has current=3, total=9."),
        (lambda: RUN.assert_logged("read"), "no line of its log holds 'read'."),
    ],
)
def test_a_failed_assertion_says_why_in_its_first_line(check, said):
    with pytest.raises(AssertionError) as raised:
        check()

    first, _, rest = str(raised.value).partition("\n")
    assert first.startswith("report[1]: ")
    assert first.endswith(said)
    assert rest.startswith("It showed:\n  ")


def test_what_holds_passes():
    RUN.assert_failed("ValueError", message="wh")
    RUN.assert_phases("running", "failed")
    RUN.assert_steps("Reading")
    RUN.assert_showed(current=3, total=8, step="Reading", status="half")
    RUN.assert_showed(step=STEP)
    RUN.assert_showed(total=None, step=None)
    DONE.assert_succeeded(3)
    assert (RUN.error, RUN.result, DONE.error) == (FAILED["error"], None, None)


def test_a_value_that_no_snapshot_has_is_a_mistake_of_the_test():
    with pytest.raises(TypeError, match="no percent"):
        RUN.assert_showed(percent=50)


def test_a_result_that_is_shown_as_a_preview_is_whole():
    run = run_of({"phase": Phase.SUCCEEDED, "result": "[1, ...", "result_size": 9}, whole=[1, 2])

    run.assert_succeeded([1, 2])


def test_the_story_of_a_run():
    RUN.log_lines.append({"seq": 1, "at": "", "level": "INFO", "text": "begun"})

    assert RUN.story().splitlines() == [
        "It showed:",
        "  running     0/?",
        "  running     3/8  half  [step 1/2 'Reading' at 3/4]",
        "  running     0/?",
        "  failed      0/?  ValueError: why",
        "Its log:",
        "  INFO begun",
        "Its traceback:",
        "Traceback (most recent call last):",
        *TRACEBACK.splitlines()[5:],
    ]


def test_a_long_story_is_cut_in_its_middle():
    run = run_of(*({"current": number, "total": 1000} for number in range(100)))

    lines = run.story().splitlines()

    assert len(lines) == MAX_SHOWN + 2
    assert "  ... 70 more snapshots" in lines
    assert lines[-1].endswith("99/1000")


def test_a_task_that_has_shown_nothing():
    with pytest.raises(AssertionError, match="has shown nothing yet"):
        run_of().assert_succeeded()

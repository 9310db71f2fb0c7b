"""Something breaks in the moment that a task saves, streams, has its side effect, waits for an
answer or is given it. A frozen Valkey holds such a moment open.
"""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.faults.report import Row
from tests.faults.stories import Line
from tests.faults.system import System
from tests.faults.telling import ANSWER, OTHER_ANSWER, Moment, Story, telling
from tests.faults.trial import trial
from tests.processes import wait_for

LIMIT = 30.0
CHILD = "kill the pool process"
PARENT = "kill the worker"
VALKEY = "restart Valkey"
WEB = "kill a web process"
BY_KILL = 1  # how Valkey is restarted: one that is frozen hears nothing else
SECONDS = 0.01  # for a row
ROWS = 150  # of a story, for each time that it is hit
HIT_AT = 60  # of these
WRITTEN = 5  # rows whose text is on its way
FEW_ROWS = 100
ON_ITS_WAY_SECONDS = 0.2
EVENT_SECONDS = 20.0


# By a socket client, an HTTP client and the task's page.
watched = partial(telling, in_a_page=True, seconds=SECONDS)


def at_a_save(system: System, count: int) -> Row:
    """The run has sent its save, and Valkey has not said that it has it."""
    return _hit(system, "at a save", count, (CHILD, VALKEY, PARENT), 10, _is_saving)


def in_a_stream(system: System, count: int) -> Row:
    """Text is on its way to Valkey, and to its readers."""
    return _hit(system, "in a stream", count, (WEB, CHILD, VALKEY, PARENT), 50, _is_writing)


def in_an_effect(system: System, count: int) -> Row:
    """A process dies within the side effect that its task may have once."""
    with trial(system, "in a side effect", count, limit=LIMIT) as one:
        for number in range(count):
            with watched(one, rows=FEW_ROWS, every=10) as story:
                story.answer(story.until_asked())
                _until(story, "charge")
                story.strike((CHILD, PARENT)[number % 2])
    return one.row


def while_waiting(system: System, count: int) -> Row:
    """Everything dies at once while a task waits for its answer; nobody runs it meanwhile."""
    with trial(system, "while waiting", count, limit=LIMIT) as one:
        for _ in range(count):
            with watched(one, rows=FEW_ROWS, every=10) as story:
                asked = story.until_asked()
                runs = len(story.diary.runs())
                for process in (*system.webs, *system.workers):
                    process.signal(signal.SIGKILL)
                story.strike(VALKEY, BY_KILL)
                system.until_ready()
                if len(story.diary.runs()) > runs:
                    one.row.double(f"{story.task_id} ran while it waited")
                story.answer(asked)
    return one.row


def at_an_answer(system: System, count: int) -> Row:
    """Two answers, of which one counts, are on their way; or the run that has it has begun."""
    with trial(system, "at an answer", count, limit=LIMIT) as one:
        for number in range(count):
            what = (WEB, CHILD, VALKEY, PARENT)[number % 4]
            with watched(one, rows=FEW_ROWS, every=10) as story:
                if (statuses := _answer_and_strike(story, what)) != [202, 409]:
                    one.row.object_to(f"two answers were answered {statuses}")
    return one.row


def _answer_and_strike(story: Story, what: str) -> list[int]:
    """Return how the two answers were answered in the end."""
    asked = story.until_asked()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(story.answer, asked, value) for value in (ANSWER, OTHER_ANSWER)]
        if what in (WEB, VALKEY):
            story.strike(what, BY_KILL, _are_on_their_way)
    if what in (CHILD, PARENT):
        _until(story, "answer")
        story.strike(what)
    return sorted(answer.result() for answer in answers)


def _hit(
    system: System,
    fault: str,
    count: int,
    whats: tuple[str, ...],
    every: int,
    moment: Moment,
) -> Row:
    """Hit a story so often in a moment, by each of `whats` in turn."""
    rows = ROWS * count
    with (
        trial(system, fault, count, limit=LIMIT) as one,
        watched(one, rows=rows, every=every, asks=False) as story,
    ):
        for number in range(count):
            story.until_row(number * ROWS + HIT_AT)
            what = whats[number % len(whats)]
            story.strike(what, BY_KILL, moment)
    repeated = story.diary.repeated()
    one.row.figures = f"{repeated} of {rows} rows done again, saved every {every}"
    return one.row


def _until(story: Story, event: str) -> None:
    wait_for(lambda: story.diary.values(event), EVENT_SECONDS, f"{story.task_id} has no {event}")


def _is_saving(lines: list[Line], _: int) -> bool:
    return lines[-1].event == "save"


def _is_writing(lines: list[Line], before: int) -> bool:
    return len(lines) >= before + WRITTEN or _is_saving(lines, before)


def _are_on_their_way(*_: object) -> bool:
    time.sleep(ON_ITS_WAY_SECONDS)
    return True

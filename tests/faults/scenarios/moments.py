"""Something breaks in the moment that a task saves, streams, has its side effect, waits for an
answer or is given it. A frozen Valkey holds such a moment open; a seed decides what breaks when.
"""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.faults.report import Row
from tests.faults.stories import CHARGE_SECONDS, Line
from tests.faults.strikes import in_some_order
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
HIT_BETWEEN = 20, 120  # of these
WRITTEN = 5  # rows whose text is on its way
FEW_ROWS = 100
ON_ITS_WAY_SECONDS = 0.05, 0.35
EVENT_SECONDS = 20.0


# By a socket client, an HTTP client and the task's page.
watched = partial(telling, in_a_page=True, seconds=SECONDS)


def at_a_save(system: System, count: int, seed: int = 1) -> Row:
    """The run has sent its save, and Valkey has not said that it has it."""
    return _hit(system, "at a save", count, seed, (CHILD, VALKEY, PARENT), 10, _is_saving)


def in_a_stream(system: System, count: int, seed: int = 1) -> Row:
    """Text is on its way to Valkey, and to its readers."""
    return _hit(system, "in a stream", count, seed, (WEB, CHILD, VALKEY, PARENT), 50, _is_writing)


def in_an_effect(system: System, count: int, seed: int = 1) -> Row:
    """A process dies within the side effect that its task may have once."""
    chance = random.Random(seed)
    with trial(system, f"in a side effect, seed {seed}", count, limit=LIMIT) as one:
        for what in in_some_order(chance, (CHILD, PARENT), count):
            with watched(one, rows=FEW_ROWS, every=10) as story:
                story.answer(story.until_asked())
                _until(story, "charge")
                time.sleep(chance.uniform(0, CHARGE_SECONDS / 2))
                story.strike(what)
    return one.row


def while_waiting(system: System, count: int, seed: int = 1) -> Row:
    """Everything dies at once while a task waits for its answer; nobody runs it meanwhile."""
    chance = random.Random(seed)
    with trial(system, f"while waiting, seed {seed}", count, limit=LIMIT) as one:
        for _ in range(count):
            with watched(one, rows=FEW_ROWS, every=10) as story:
                asked = story.until_asked()
                runs = len(story.diary.runs())
                processes = [*system.webs, *system.workers]
                chance.shuffle(processes)
                for process in processes:
                    process.signal(signal.SIGKILL)
                story.strike(VALKEY, chance.randrange(2))
                system.until_ready()
                if len(story.diary.runs()) > runs:
                    one.row.double(f"{story.task_id} ran while it waited")
                story.answer(asked)
    return one.row


def at_an_answer(system: System, count: int, seed: int = 1) -> Row:
    """Two answers, of which one counts, are on their way; or the run that has it has begun."""
    chance = random.Random(seed)
    with trial(system, f"at an answer, seed {seed}", count, limit=LIMIT) as one:
        for what in in_some_order(chance, (WEB, CHILD, VALKEY, PARENT), count):
            with watched(one, rows=FEW_ROWS, every=10) as story:
                seconds = chance.uniform(*ON_ITS_WAY_SECONDS)
                if (statuses := _answer_and_strike(story, what, seconds)) != [202, 409]:
                    one.row.object_to(f"two answers were answered {statuses}")
    return one.row


def _answer_and_strike(story: Story, what: str, seconds: float) -> list[int]:
    """Strike so long after two answers were sent, or while the run that has one goes on.

    Returns how they were answered in the end.
    """

    def are_on_their_way(*_: object) -> bool:
        time.sleep(seconds)
        return True

    asked = story.until_asked()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(story.answer, asked, value) for value in (ANSWER, OTHER_ANSWER)]
        if what in (WEB, VALKEY):
            story.strike(what, BY_KILL, are_on_their_way)
    if what in (CHILD, PARENT):
        _until(story, "answer")
        story.strike(what)
    return sorted(answer.result() for answer in answers)


def _hit(
    system: System,
    fault: str,
    count: int,
    seed: int,
    whats: tuple[str, ...],
    every: int,
    moment: Moment,
) -> Row:
    """Hit a story so often in a moment, by each of `whats` as often."""
    rows = ROWS * count
    chance = random.Random(seed)
    with (
        trial(system, f"{fault}, seed {seed}", count, limit=LIMIT) as one,
        watched(one, rows=rows, every=every, asks=False) as story,
    ):
        for number, what in enumerate(in_some_order(chance, whats, count)):
            story.until_row(number * ROWS + chance.randrange(*HIT_BETWEEN))
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

"""Tasks that go on where they were saved: killed anywhere, and in the moments that matter."""

from __future__ import annotations

from tests.faults.report import Row
from tests.faults.strikes import HALF, schedule
from tests.faults.system import System
from tests.faults.telling import OTHER_ANSWER, Story, telling
from tests.faults.trial import Trial, trial
from tests.processes import wait_for

TOKENS = 20_000
TOKENS_OF_A_STRIKE = 400
LIMIT = 30.0
ON_SECONDS = 60.0
LASTING = 100_000  # rows of a story that does not end by itself


def killed_anywhere(system: System, count: int, seed: int = 1) -> Row:
    """A task streams, saves, asks once and charges once, while all is killed by a schedule; and
    another one is stopped after it went on.
    """
    rows = min(TOKENS, TOKENS_OF_A_STRIKE * int(count))
    moves = schedule(seed, int(count))
    with trial(system, f"killed anywhere, seed {seed}", len(moves), limit=LIMIT) as one:
        with telling(one, rows=rows, in_a_page=True) as story:
            for move in moves:
                if move.at == HALF:
                    story.until_asked()
                elif move.at > HALF:
                    _be_answered(story)
                story.until_row(int(move.at * rows))
                story.strike(move.what, move.which)
            _be_answered(story)
        repeated = story.diary.repeated()
        one.row.figures = (
            f"{rows} tokens in {len(story.diary.runs())} runs, "
            f"{repeated} rows done again ({repeated / rows:.2%})"
        )
        _stop_after_it_went_on(one)
    return one.row


def _be_answered(story: Story) -> None:
    """Answer twice, each time otherwise, where that has not been done: the first one counts."""
    if story.has_answered:
        return
    asked = story.until_asked()
    counted = story.answer(asked)
    refused = story.answer(asked, OTHER_ANSWER)
    assert (counted, refused) == (202, 409), f"the answers were answered {counted} and {refused}"


def _stop_after_it_went_on(one: Trial) -> None:
    with telling(one, rows=LASTING, asks=False) as story:
        story.start.expected = frozenset({"cancelled"})
        story.until_row(200)
        story.strike("kill the pool process")
        wait_for(lambda: len(story.diary.runs()) > 1, ON_SECONDS, "it does not go on")
        one.act(story.task_id, "cancel")

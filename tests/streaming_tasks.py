"""Tasks that write streams, at the pace of the test that runs them.

Started by the tests as `celery -A tests.streaming_tasks worker`.
"""

from __future__ import annotations

import time
from pathlib import Path

from headway import progress
from tests.plain_celery import celery

PARTS = 3
COLOURS = "\x1b[31m<b>red</b>\x1b[0m and\x1b[2J \x1b[1mbold\x1b[m"
WORDS = 300  # of a part


def part_of(attempt: int, part: int) -> list[str]:
    """Return the words of a part, as this attempt writes them."""
    return [f"{attempt}.{part}.{n} wört 🙂\0\r\n" for n in range(WORDS)]


def whole_of(attempt: int) -> str:
    return "".join(word for part in range(PARTS) for word in part_of(attempt, part))


@celery.task(bind=True)
def talk(self, folder):
    """Write one part after the other, each when the test has put its file into the folder."""
    begun = Path(folder) / "attempts"
    attempt = len(begun.read_text()) + 1 if begun.exists() else 1
    begun.write_text("." * attempt)
    out = progress.stream("answer")
    for part in range(PARTS):
        while not (Path(folder) / f"part{part}").exists():
            time.sleep(0.01)
        for word in part_of(attempt, part):
            out.write(word)
            time.sleep(0.001)
    progress.stream("colours").write(COLOURS)

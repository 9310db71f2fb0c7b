"""Tasks that write streams, at the pace of the test that runs them.

Started by the tests as `celery -A tests.streaming_tasks worker`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from headway import progress
from tests.plain_celery import celery

PARTS = 3
COLOURS = "\x1b[31m<b>red</b>\x1b[0m and\x1b[2J \x1b[1mbold\x1b[m"
HALF = 150  # of the words of a part


def part_of(attempt: int, part: int) -> list[str]:
    """Return the words of a part, as this attempt writes them."""
    return [f"{attempt}.{part}.{n} wört 🙂\0\r\n" for n in range(2 * HALF)]


@celery.task(bind=True)
def talk(self, folder):
    """Write one part after the other, each half when the test has put its file into the folder.

    What it has written of all parts but the last is saved before that one begins.
    """
    begun = Path(folder) / "attempts"
    attempt = len(begun.read_text()) + 1 if begun.exists() else 1
    begun.write_text("." * attempt)
    (Path(folder) / "pid").write_text(str(os.getpid()))
    out = progress.stream("answer")
    for part in range(progress.saved or 0, PARTS):
        for n, word in enumerate(part_of(attempt, part)):
            while n % HALF == 0 and not (Path(folder) / f"{part}.{n}").exists():
                time.sleep(0.01)
            out.write(word)
            time.sleep(0.001)
        if part == PARTS - 2:
            progress.save(part + 1)
    progress.stream("colours").write(COLOURS)

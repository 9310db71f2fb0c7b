"""A task of which an owner has one at a time, in the project of tests/ending_tasks.py.

`python -m tests.turn_tasks FILE` sends some as ada, then one as bob; each writes its owner into the
file. Not to be imported by tests: the kind of task would stay with all that come later.
"""

from __future__ import annotations

import sys

from headway import task
from headway.message_headers import OWNER
from tests.ending_tasks import celery

ADAS = 8


@task("Row of {who}", max_running=1)
def one_row(path: str, who: str) -> None:
    with open(path, "a") as file:
        file.write(f"{who}\n")


if __name__ == "__main__":
    celery.finalize()
    one = celery.tasks["one_row"]
    for who in [*["ada"] * ADAS, "bob"]:
        one.apply_async((sys.argv[1], who), headers={OWNER: who})

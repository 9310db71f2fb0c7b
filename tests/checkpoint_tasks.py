"""Tasks that save where they are, in the project of tests/ending_tasks.py.

Started as `celery -A tests.checkpoint_tasks worker`.
"""

from __future__ import annotations

import gc
import os
import re
import time

from celery.worker.control import inspect_command

from headway import progress
from tests.ending_tasks import celery, count_run

ROW_SECONDS = 0.02
ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ID_CHARS = 36


def note(folder, row):
    """Do a row's work: leave a line in a file."""
    with open(f"{folder}.rows", "a") as file:
        file.write(f"{row}\n")
    time.sleep(ROW_SECONDS)


@celery.task
def counts_rows(folder, rows):
    count_run(folder)
    with open(f"{folder}.pid", "w") as file:
        file.write(str(os.getpid()))
    total = progress.saved or 0
    for row in progress.track(range(rows), "Counting", resume=True):
        note(folder, row)
        total += row
        progress.save(total)
    return total


@celery.task
def asks(folder):
    count_run(folder)
    return progress.ask("Go on?", choices=["yes", "no"])


def held_of(reversed_ids):
    """Return how many of these tasks something in this process still names.

    The ids come reversed: as they are, what asks would hold them.
    """
    gc.unfreeze()  # what a worker has frozen is not listed
    gc.collect()
    wanted = set(reversed_ids)
    named = set()
    holders = gc.get_objects()
    while holders:
        holder = holders.pop()
        # The collector looks at no keys that are texts, and lists no dict of plain values.
        keys = list(dict.keys(holder)) if issubclass(type(holder), dict) else []
        for held in keys + gc.get_referents(holder):
            if type(held) in (str, bytes) and len(held) >= ID_CHARS:
                text = held if type(held) is str else held.decode(errors="replace")
                named.update(each[::-1] for each in ID.findall(text))
            elif type(held) in (dict, tuple) and not gc.is_tracked(held):
                holders.append(held)
    return len(wanted & named)


@celery.task
def held_by_a_child(reversed_ids):
    return held_of(reversed_ids)


@inspect_command(args=[("reversed_ids", list)])
def held_by_the_parent(state, reversed_ids):
    return held_of(reversed_ids)

"""A project whose chains have a step that fails the first time that it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery, chain, chord, group
from flask import Flask

from headway import Headway, task

REDIS = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
DONE = Path(os.environ.get("DONE", "."))

app = Flask(__name__)
app.secret_key = "a secret for the tests"
celery = Celery("chains", broker=REDIS, backend=f"headway+{REDIS}")
app.config["HEADWAY_RATE_LIMITS"] = "off"
headway = Headway(app, celery=celery)


@celery.task(ignore_result=False)
def step(before: Any, name: str) -> str:
    """Leave a file with what came before; "flaky" fails where it has not failed yet."""
    failed = DONE / f"failed {name}"
    if name.endswith("flaky") and not failed.exists():
        failed.touch()
        raise ValueError("not at first")
    with (DONE / name).open("a") as file:
        file.write(f"{before}\n")
    return name


def chains(which: str) -> Any:
    first = step.s("", f"{which} flaky")
    last = step.s(f"{which} last")
    header = [first, *(step.s("", f"{which} {n}") for n in "ab")]
    both = [*header, step.s("", f"{which} other flaky")]
    return {
        "header": lambda: chain(chord(header, step.s(f"{which} body")), last),
        "both": lambda: chain(chord(both, step.s(f"{which} body")), last),
        "chain": lambda: chain(first, step.s(f"{which} middle"), last),
        "chord": lambda: chain(
            first, chord([step.s(f"{which} {n}") for n in "ab"], step.s(f"{which} body")), last
        ),
        "group": lambda: chain(first, group(step.s(f"{which} {n}") for n in "ab")),
    }[which]()


@task("Begin {which}")
def begin(which: str) -> None:
    chains(which).apply_async()

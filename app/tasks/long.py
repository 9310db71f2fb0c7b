"""The article's long task: 10 to 50 one-second steps, with 42 as result."""

from __future__ import annotations

import random
import time
from typing import Any

from flask import current_app

from headway import task

VERBS = ("Starting up", "Booting", "Repairing", "Loading", "Checking")
ADJECTIVES = ("master", "radiant", "silent", "harmonic", "fast")
NOUNS = ("solar array", "particle reshaper", "cosmic ray", "orbiter", "bit")


@task("Long task", bind=True)
def long_task(self: Any) -> dict[str, Any]:
    """Run a demo of 10 to 50 one-second steps.

    It reports by Celery's own `update_state`, as any task written for Celery does.
    LONG_TASK_STEPS and LONG_TASK_STEP_SECONDS set the number of steps and how long each takes.
    """
    total = current_app.config["LONG_TASK_STEPS"] or random.randint(10, 50)
    message = ""
    for done in range(total):
        if not message or random.random() < 0.25:
            message = (
                f"{random.choice(VERBS)} {random.choice(ADJECTIVES)} {random.choice(NOUNS)}..."
            )
        self.update_state(
            state="PROGRESS", meta={"current": done, "total": total, "status": message}
        )
        time.sleep(current_app.config["LONG_TASK_STEP_SECONDS"])
    return {"current": 100, "total": 100, "status": "Task completed!", "result": 42}

"""Turns at a real worker: nobody waits for all that another owner has started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from headway.store.records import Records
from tests.processes import ROOT, Valkey, running, wait_for, worker

SENT = 9  # by tests/turn_tasks.py, the last of them as another owner


def test_another_owners_task_comes_after_one_of_those_that_wait(valkey: Valkey, tmp_path: Path):
    env = {"REDIS_URL": valkey.url}
    log = tmp_path / "rows"
    client = valkey.connect()
    records = Records(client, 7)
    client.set("headway:last_sweep", records.clock.now())  # a worker sweeps
    command = [sys.executable, "-m", "tests.turn_tasks", str(log)]
    subprocess.run(command, env={**os.environ, **env}, cwd=ROOT, check=True, timeout=60)
    assert client.llen("celery") == 2  # one of each owner's

    def rows() -> list[str]:
        return log.read_text().split() if log.exists() else []

    with running(worker(tmp_path, env, "celery", "tests.turn_tasks", "-P", "solo")):
        wait_for(lambda: len(rows()) == SENT, 60)

    assert rows() == ["ada", "bob", *["ada"] * (SENT - 2)]
    client.close()

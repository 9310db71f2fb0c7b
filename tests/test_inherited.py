"""A worker's descriptors over the deaths of its pool's processes: none of them keeps another's open."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from app.snapshot import Phase
from tests import ending_tasks as tasks
from tests.by_project import Project, project
from tests.processes import Valkey, children_of, wait_for

DEATHS = 4
SLOTS = 4


def descriptors(pid: int) -> list[str]:
    """Return what each descriptor of a process is."""
    return [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def sockets(pid: int) -> set[str]:
    return {name for name in descriptors(pid) if name.startswith("socket:")}


def pool_of(worker: Project) -> set[int]:
    return set(children_of(worker.process.pid))


def replace_all(worker: Project) -> None:
    """Kill each process of the pool; returns when others have taken their places and a task has run in each."""
    for pid in pool_of(worker):
        before = pool_of(worker)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda old=before: len(pool_of(worker) - old) == 1 and len(pool_of(worker)) == SLOTS)
    run_everywhere(worker)


def run_everywhere(worker: Project) -> None:
    place = worker.folder / os.urandom(4).hex()
    place.mkdir()
    started = [worker.start(tasks.meet, str(place), SLOTS) for _ in range(SLOTS)]
    assert [worker.end_of(task_id).phase for task_id, _ in started] == [Phase.SUCCEEDED] * SLOTS


def test_over_the_deaths_of_its_processes_they_are_constant_and_its_own(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path) as worker:
        run_everywhere(worker)
        replace_all(worker)
        before = Counter(name.partition(":")[0] for name in descriptors(worker.process.pid))
        most = max(len(descriptors(pid)) for pid in pool_of(worker))

        for _ in range(DEATHS):
            replace_all(worker)

        after = Counter(name.partition(":")[0] for name in descriptors(worker.process.pid))
        assert after == before
        for pid in pool_of(worker):
            assert len(descriptors(pid)) <= most
            assert sockets(pid)
            assert not sockets(pid) & sockets(worker.process.pid)

"""A worker's descriptors over the deaths of its pool's processes: no death leaves any open."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from headway.snapshot import Phase
from tests import ending_tasks as tasks
from tests.by_project import Project, project
from tests.processes import Process, Valkey, children_of, wait_for, worker

ROUNDS = 3
SLOTS = 2


class Narrow(Project):
    """A worker with few processes: each death takes its pool seconds to replace."""

    def worker(self, **env: str) -> Process:
        options = ("-P", self.pool, "-c", str(SLOTS))
        return worker(self.folder, self._env | env, self.queue, self.module, *options)


def descriptors(pid: int) -> list[str]:
    """Return what each descriptor of a process is."""
    return [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def counted(pid: int) -> Counter[str]:
    """Return how many descriptors of each kind a process has."""
    return Counter(name.partition(":")[0] for name in descriptors(pid))


def held(pid: int) -> int:
    """Return how many descriptors keep something open."""
    return counted(pid).total() - counted(pid)["/dev/null"]


def sockets(pid: int) -> set[str]:
    return {name for name in descriptors(pid) if name.startswith("socket:")}


def pool_of(narrow: Project) -> set[int]:
    return set(children_of(narrow.process.pid))


def replace_all(narrow: Project) -> None:
    """Kill each process of the pool.

    Returns when others have taken their places and a task has run in each.
    """
    for pid in pool_of(narrow):
        before = pool_of(narrow)
        os.kill(pid, signal.SIGKILL)
        wait_for(
            lambda old=before: len(pool_of(narrow) - old) == 1 and len(pool_of(narrow)) == SLOTS
        )
    run_everywhere(narrow)


def run_everywhere(narrow: Project) -> None:
    place = narrow.folder / os.urandom(4).hex()
    place.mkdir()
    started = [narrow.start(tasks.meet, str(place), SLOTS) for _ in range(SLOTS)]
    assert [narrow.end_of(task_id).phase for task_id, _ in started] == [Phase.SUCCEEDED] * SLOTS


def test_the_deaths_of_its_processes_leave_none_open_and_each_has_its_own(
    valkey: Valkey, tmp_path: Path
):
    with project("prefork", valkey, tmp_path, Narrow) as narrow:
        run_everywhere(narrow)
        replace_all(narrow)
        pid = narrow.process.pid
        before = counted(pid)
        most = max(map(held, pool_of(narrow)))

        for _ in range(ROUNDS):
            replace_all(narrow)

        # It may hold a few more: a pool opens another connection when two threads ask at once, or
        # when a message of a killed process is sent again.
        deaths = ROUNDS * SLOTS
        more = counted(pid) - before
        assert all(count < deaths for count in more.values()), f"{more} more than {before}"
        for child in pool_of(narrow):
            assert held(child) < most + deaths
            assert sockets(child)
            assert not sockets(child) & sockets(pid)

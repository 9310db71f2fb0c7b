"""Runs faults one after the other on a system, on several systems side by side, also where one
breaks a trial off.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.faults.report import Row
from tests.faults.system import System

Job = tuple[str, Callable[[System], Row]]  # the fault's name, and what makes its row
Say = Callable[[str, Row, float], None]


class Lane:
    """One system, on which one job is done after the other: the first that is left of the first
    kind that has any.

    Where one leaves it broken, a new system is made.
    """

    def __init__(
        self, jobs: Sequence[SimpleQueue[Job]], settings: Mapping[str, str], say: Say
    ) -> None:
        self.rows: list[Row] = []
        self._system: System | None = None
        self._jobs = jobs
        self._settings = settings
        self._say = say
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        """End the system; its logs are kept where something was not clean."""
        system, self._system = self._system, None
        if system is not None:
            system.stop()
            if all(row.clean for row in self.rows):
                shutil.rmtree(system.folder)

    def _run(self) -> None:
        for jobs in self._jobs:
            with suppress(Empty):
                while True:
                    self._take(*jobs.get_nowait())
        self.stop()

    def _take(self, name: str, job: Callable[[System], Row]) -> None:
        begun = time.monotonic()
        row = self._do(name, job)
        row.name = name
        self.rows.append(row)
        self._say(name, row, time.monotonic() - begun)

    def _do(self, name: str, job: Callable[[System], Row]) -> Row:
        try:
            if self._system is None:
                self._system = System(
                    Path(tempfile.mkdtemp(prefix="headway-faults-")), self._settings
                )
            return job(self._system)
        except Exception as error:
            return Row(name, 1, wrong=1, evidence=[f"the trial broke off: {error!r}"])
        finally:
            self._mend()

    def _mend(self) -> None:
        """Make the system whole for the next job, or give it up."""
        try:
            if self._system is not None:
                self._system.mend()
        except Exception:
            self.stop()


def run(
    heavy: Sequence[Job],
    light: Sequence[Job],
    lanes: int,
    settings: Mapping[str, str],
    say: Say,
) -> list[Row]:
    """Do all jobs on so many systems side by side; returns their rows in the order of the jobs.

    Of several systems one does only light jobs. `settings` are beside the systems' usual ones.
    """
    queues = [_queue(heavy), _queue(light)]
    running = [
        Lane(queues if number == 0 or number < lanes - 1 else queues[1:], settings, say)
        for number in range(min(lanes, len(heavy) + len(light)))
    ]
    try:
        for lane in running:
            lane.join()
    finally:  # also when this process is told to end
        for queue in queues:
            while not queue.empty():
                queue.get()
        for lane in running:
            lane.stop()
    names = [name for name, _ in (*heavy, *light)]
    return sorted(
        (row for lane in running for row in lane.rows), key=lambda row: names.index(row.name)
    )


def _queue(jobs: Sequence[Job]) -> SimpleQueue[Job]:
    waiting: SimpleQueue[Job] = SimpleQueue()
    for job in jobs:
        waiting.put(job)
    return waiting

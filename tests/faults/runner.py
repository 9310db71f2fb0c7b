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
    """One system, on which jobs run one after the other, in the order of their kinds.

    When none is left, it waits for the `others` to end, and then runs the `last` ones, alone.

    Where a job leaves the system broken, a new one is made.
    """

    def __init__(
        self,
        jobs: Sequence[SimpleQueue[Job]],
        settings: Mapping[str, str],
        say: Say,
        others: Sequence[Lane] = (),
        last: Sequence[SimpleQueue[Job]] = (),
    ) -> None:
        self.rows: list[Row] = []
        self._system: System | None = None
        self._jobs = jobs
        self._others = others
        self._last = last
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
            self._do_all(jobs)
        for lane in self._others:
            lane.join()
        for jobs in self._last:
            self._do_all(jobs)
        self.stop()

    def _do_all(self, jobs: SimpleQueue[Job]) -> None:
        with suppress(Empty):
            while True:
                self._take(*jobs.get_nowait())

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
    alone: Sequence[Job],
    lanes: int,
    settings: Mapping[str, str],
    say: Say,
) -> list[Row]:
    """Do all jobs on so many systems side by side, and those that are to be `alone` after them;
    returns their rows in the order of the jobs.

    Of several systems one does only light jobs. `settings` are beside the systems' usual ones.
    """
    queues, last = [_queue(heavy), _queue(light)], _queue(alone)
    others = [
        Lane(queues if number < lanes - 1 else queues[1:], settings, say)
        for number in range(1, min(lanes, len(heavy) + len(light)))
    ]
    running = [Lane(queues, settings, say, others, [last]), *others]
    try:
        for lane in running:
            lane.join()
    finally:  # also when this process is told to end
        for queue in (*queues, last):
            while not queue.empty():
                queue.get()
        for lane in running:
            lane.stop()
    names = [name for name, _ in (*heavy, *light, *alone)]
    return sorted(
        (row for lane in running for row in lane.rows), key=lambda row: names.index(row.name)
    )


def _queue(jobs: Sequence[Job]) -> SimpleQueue[Job]:
    waiting: SimpleQueue[Job] = SimpleQueue()
    for job in jobs:
        waiting.put(job)
    return waiting

"""What became of it all: tasks, emails, starts and runs counted against what had to become of
them.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.faults.invariants import FINAL
from tests.faults.load import Start, listed
from tests.faults.report import Row
from tests.faults.stories import STREAM, is_whole
from tests.faults.system import Run, System
from tests.faults.viewers import Visitor
from tests.faults.watch import MAX_IDS, Truth
from tests.smtp_server import Taken

SAME_MOMENT_SECONDS = 0.25  # clocks are read at different ends of a connection
UNKNOWN = "OutcomeUnknown"


class Tally:
    """Counts into a row, with the evidence.

    Nothing is expected of `excused` tasks: their records were taken away.
    """

    def __init__(
        self, row: Row, truth: Truth, starts: Sequence[Start], excused: Collection[str]
    ) -> None:
        self._row = row
        self._truth = truth
        self._starts = starts
        self._excused = excused
        row.tasks = len(truth)

    def endpoints(self, visitors: Sequence[Visitor]) -> None:
        """The status endpoint must say what the records say."""
        for visitor in visitors:
            ids = [
                task_id
                for start in self._of(visitor)
                for task_id in start.task_ids - set(self._excused)
            ]
            for first in range(0, len(ids), MAX_IDS):
                for snapshot in visitor.get("/status", task_id=ids[first : first + MAX_IDS])[
                    "snapshots"
                ]:
                    if snapshot != (truth := self._truth[snapshot["task_id"]]):
                        self._row.object_to(f"/status says {snapshot}, the record {truth}")

    def tasks(self, errors: Collection[str]) -> None:
        """Each key is one task, with the end it must have.

        Emails may also fail with one of these errors.
        """
        for start in self._starts:
            if len(start.task_ids) > 1:
                self._row.double(f"one key started {sorted(start.task_ids)}")
            for task_id in start.task_ids.difference(self._excused):
                end = self._truth[task_id]
                if end is None or end["phase"] not in FINAL:
                    self._row.lose(f"{start.name} {task_id} has no end: {end}")
                elif end["phase"] not in start.expected and not (
                    start.is_mail and _error(end) in errors
                ):
                    self._row.object_to(f"{start.name} ended wrongly: {end}")

    def mails(self, system: System) -> None:
        """An email is sent if the server accepted it, once, and of unknown fate only if it was
        on its way.
        """
        accepted = Counter(map(_task_of, list(system.smtp.accepted)))
        out = {_task_of(taken) for taken in [*system.smtp.complete, *system.smtp.broken]}
        for task_id in (
            task_id for start in self._starts if start.is_mail for task_id in start.task_ids
        ):
            end = self._truth[task_id]
            times = accepted[task_id]
            if times > 1:
                self._row.double(f"the email of {task_id} was accepted {times} times: {end}")
            if end is None or task_id in self._excused:
                continue
            if end["phase"] == "succeeded" and not times:
                self._row.lose(
                    f"the email is said to be sent, and the server has not got it: {end}"
                )
            if end["phase"] != "succeeded" and times and _error(end) != UNKNOWN:
                self._row.object_to(f"the email was accepted, and this is said of it: {end}")
            if _error(end) == UNKNOWN:
                self._row.unknown += 1
                if task_id not in out:
                    self._row.object_to(
                        f"the email is said to be of unknown fate, and was never on its way: {end}"
                    )

    def stories(self, system: System) -> None:
        """The text of a story that was told to its end has each row once, in their order."""
        for start in self._starts:
            for task_id in start.task_ids.difference(self._excused):
                end = self._truth[task_id]
                if start.name != "story" or end is None or end["phase"] != "succeeded":
                    continue
                text = system.records.queries.read_streams(task_id, {})[STREAM]["text"]
                if not is_whole(text, start.args["rows"]):
                    self._row.object_to(f"the story {task_id} is told so: {text}")

    def strangers(self, visitors: Sequence[Visitor]) -> None:
        """Nothing may be there that nobody started.

        What was refused and given up must not have begun later.
        """
        for visitor in visitors:
            known = {task_id for start in self._of(visitor) for task_id in start.task_ids}.union(
                self._excused
            )
            given_up: dict[str, list[float]] = defaultdict(list)
            for start in self._of(visitor):
                if not start.task_ids:
                    given_up[start.label].append(start.refused_at or time.time())
            for task in listed(visitor):
                if task["task_id"] not in known:
                    self._judge(task, given_up[task["title"].rpartition(" ")[2]])

    def runs(self, system: System, *, once: bool) -> None:
        """No body may begin after its task's end; or twice at all, where nothing gave a reason."""
        runs: dict[str, list[Run]] = defaultdict(list)
        for run in system.runs():
            runs[run.task_id].append(run)
        ahead = time.time() - time.monotonic()
        for task_id, end in self._truth.items():
            if end is None or task_id in self._excused or end["phase"] not in FINAL:
                continue
            finished = datetime.fromisoformat(end["finished_at"]).timestamp() - ahead
            if late := [run for run in runs[task_id] if run.began > finished + SAME_MOMENT_SECONDS]:
                self._row.double(f"{task_id} ran again after its end: {late}")
            if once and len(runs[task_id]) > 1:
                self._row.double(f"{task_id} ran {len(runs[task_id])} times: {runs[task_id]}")

    def _of(self, visitor: Visitor) -> list[Start]:
        return [start for start in self._starts if start.owner == visitor.owner]

    def _judge(self, task: Mapping[str, Any], refused: list[float]) -> None:
        """A task that no answer named may be one that began before its visitor was refused:
        only a reply was lost.
        """
        if not refused:
            self._row.double(f"nobody started {task}")
        elif (
            datetime.fromisoformat(task["created_at"]).timestamp()
            > refused.pop(0) + SAME_MOMENT_SECONDS
        ):
            self._row.object_to(f"was refused, and began later: {task}")


def _error(end: Mapping[str, Any]) -> str:
    return str(end["error"]["type"]) if end["error"] else ""


def _task_of(taken: Taken) -> str:
    """Return the id of the task whose email this is."""
    found = re.search(rb"(?mi)^Message-ID: <([^@>]*)@", taken.content)
    return found[1].decode() if found else ""

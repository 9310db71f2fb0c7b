"""How the tasks of an owner that are unique, or limited in number, wait for each other."""

from __future__ import annotations

from typing import Any, NamedTuple


class Turn(NamedTuple):
    """How a task stands to the others of its owner.

    `unique` is a digest of which one task is open at a time; `line` is "<limit> <digest>" of a line
    of which so many are with the workers at a time; "" for none. With `replaces` the open task of
    `unique` is cancelled. `priority` is the step at which its queue and its line serve it.
    """

    unique: str = ""
    line: str = ""
    replaces: bool = False
    priority: int = 0

    def args(self, cancel_grace: int) -> list[Any]:
        """Return it as scripts take it; what it replaces has so long to end, in microseconds."""
        return [self.unique, self.line, int(self.replaces), cancel_grace, self.priority]


NO_TURN = Turn()


class Existing(Exception):
    """A send of a unique task was refused: the owner's task `task_id` is open."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task {task_id} is open already.")
        self.task_id = task_id

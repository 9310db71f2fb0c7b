"""How the tasks of an owner that are unique, or limited in number, wait for each other."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple


class Turn(NamedTuple):
    """How a task stands to the others of its owner.

    `unique` is a digest of which one task is open at a time; `line` is "<limit> <digest>" of a line
    of which so many are with the workers at a time, or of several, one after the other; "" for
    none. With `replaces` the open task of
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


def fair_lines(queue: str, owner: str, address: str, most: int, of_address: int) -> str:
    """Return the lines in which visitors' tasks wait so that others' go between, as `Turn.line`.

    `most` tasks of an owner in a queue are with the workers at a time, and `of_address` of an IP
    address, whatever owners it makes.
    """
    # The marks are those of turns.lua.
    lines = [f"{most} ={_digest(queue)}"] if owner else []
    if address:
        lines.append(f"{of_address} @{_digest(f'{queue} {address}')}")
    return " ".join(lines)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


class Existing(Exception):
    """A send of a unique task was refused: the owner's task `task_id` is open."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task {task_id} is open already.")
        self.task_id = task_id

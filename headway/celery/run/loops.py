"""The resumable loops of a run: how far each is, and which of the saved ones it has not begun."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MappingView, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from headway.bars import Section
from headway.celery.run.runs import Run
from headway.celery.run.saved import NONE

logger = logging.getLogger(__name__)

MAX_CURSOR_BYTES = 1024
MAX_LOOPS = 100
MAX_NAME_CHARS = 100

RENAMED = (
    'The loop "{old}", which an earlier run saved at item {done}, was not opened in this run; '
    '"{new}" was, and began at its first item. A loop goes on only under the label that it was '
    "saved with. If the two are one loop, give it a fixed label, and show what changes by "
    "progress.set(status=...)."
)


class Loop:
    """A resumable loop of a run, and how far it is."""

    def __init__(self, key: str, done: int, cursor: str) -> None:
        self.key = key
        self.done = done
        self.cursor = cursor
        self.value = ""  # saved by the item that is not done yet
        self.names: Counter[str] = Counter()  # of the loops that this item has begun

    @property
    def scope(self) -> str:
        """What the keys of the loops that begin within its present item begin with."""
        return f"{self.key}[{self.done}]/"

    def rest(self, items: Iterable[Any]) -> Iterator[Any]:
        """Return the items that are not done. Raises TypeError for what has no order."""
        # A dict's keys and items are sets too, in the dict's own order.
        if isinstance(items, AbstractSet) and not isinstance(items, MappingView):
            raise TypeError("A set has no order in which a loop could go on: sort it first.")
        if isinstance(items, Sequence):
            return (items[index] for index in range(self.done, len(items)))
        return islice(items, self.done, None)

    @property
    def last(self) -> Any:
        """The cursor of the last item that is done; None for none."""
        return json.loads(self.cursor)


def loop_around(section: Section) -> Loop | None:
    """Return the innermost resumable loop that contains this section of a run."""
    around: Section | None = section
    while around is not None:
        if around.loop is not None and not around.has_ended:
            found: Loop = around.loop
            return found
        around = around.parent
    return None


class Loops:
    """How far the resumable loops of a task are. Not thread-safe."""

    def __init__(self, saved: Mapping[str, list[str]]) -> None:
        self.places = dict(saved)  # key -> done and cursor, as JSON
        self._names: Counter[str] = Counter()
        self._unopened = dict(saved)  # those that only earlier runs have begun
        # Key of one of these -> what its key begins with, and the new loop beside it.
        self._instead: dict[str, tuple[str, str]] = {}

    def begin(self, name: str, around: Loop | None) -> Loop:
        """Begin a loop where an earlier run left it. Raises ValueError for too many of them."""
        name = name[:MAX_NAME_CHARS]
        scope = around.scope if around else ""
        names = around.names if around else self._names
        key = f"{scope}{name}#{names[name]}"
        names[name] += 1
        if key not in self.places:
            if len(self.places) >= MAX_LOOPS:
                raise ValueError(
                    f"A task may have {MAX_LOOPS} resumable loops: "
                    "make the loop around them resumable too."
                )
            self._note_new(scope, name)
        self._unopened.pop(key, None)
        done, cursor = self.places.setdefault(key, ["0", NONE])
        return Loop(key, int(done), cursor)

    def advance(self, loop: Loop, cursor: str) -> None:
        """Count an item of a loop as done."""
        if loop.names:  # the next item's loops start over
            loop.names.clear()
            inner = [key for key in self.places if key.startswith(loop.scope)]
            for key in inner:
                del self.places[key]
        loop.done += 1
        self.places[loop.key] = [str(loop.done), cursor]

    @property
    def renamed(self) -> str:
        """A warning of the first saved loop in whose place only a new one began; "" for none."""
        for key, (done, _) in self._unopened.items():
            if key in self._instead and done != "0":
                scope, new = self._instead[key]
                old = key.removeprefix(scope).rpartition("#")[0]
                return RENAMED.format(old=old, done=done, new=new)
        return ""

    def _note_new(self, scope: str, name: str) -> None:
        """Note that a loop begins at its first item, beside the saved ones of its scope."""
        for key in self._unopened:
            if key.startswith(scope) and "]/" not in key.removeprefix(scope):
                self._instead.setdefault(key, (scope, name))


def warn_of_renamed(run: Run) -> None:
    """Say, in the task's log and the worker's, which loop a run has begun under another label."""
    warning = run.checkpoint.renamed if run.checkpoint else ""
    if warning:
        run.buffer.log("WARNING", warning)
        logger.warning("%s[%s]: %s", run.task.name, run.task_id, warning)

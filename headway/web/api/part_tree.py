"""The parts of a task as its page shows them: a tree, of which the first are read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from json import loads

from headway.display import words
from headway.display.labels import labels_for_page
from headway.display.words import Reading
from headway.shapes import SnapshotDict
from headway.snapshot import Phase
from headway.store.records import Records

PAGE = 50
NESTED = 10  # parts of a part that are shown with it
MAX_READS = 20  # of parts of parts, for one page


@dataclass
class ShownPart:
    """A part, how it reads, and the first of its own parts; `more` are not shown."""

    task: SnapshotDict
    reading: Reading
    parts: list[ShownPart] = field(default_factory=list)
    more: int = 0


@dataclass
class PartTree:
    """A page of a task's parts; `next` is the cursor of the next one, "" on the last."""

    parts: list[ShownPart]
    next: str


def read_parts(
    records: Records,
    task_id: str,
    phases: Collection[Phase] = (),
    cursor: tuple[str, str] = ("", ""),
) -> PartTree:
    """Return a page of a task's parts, and what they have started themselves."""
    page, following = records.lists.parts(task_id, PAGE, phases, cursor)
    shown = [_shown(loads(text)) for text in page]
    nested = [one for one in shown if one.task["parts"]]
    for reads, one in enumerate(nested):  # which grows meanwhile
        if reads < MAX_READS:
            below, _ = records.lists.parts(one.task["task_id"], NESTED)
            one.parts = [_shown(loads(text)) for text in below]
            nested += [each for each in one.parts if each.task["parts"]]
        counts = one.task["parts"]
        one.more = max(0, (counts["count"] if counts else 0) - len(one.parts))
    return PartTree(shown, "~".join(following or ()))


def _shown(task: SnapshotDict) -> ShownPart:
    return ShownPart(task, words.read(task, labels_for_page(task["name"])))

"""The JSON text in which a record keeps what a task has saved.

It is `{"value": ..., "loops": {"<key>": [done, cursor], ...}}`; under "held_back" the ends of the
task's streams that were not sent, by name; under "asked" how many questions of each text had been
asked by then; under "overflows" the bytes of the files that have the whole text of streams, null
for one that is begun only if what was held back is too much for its stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

NONE = "null"


class StreamEnds(NamedTuple):
    """How the streams of a run are as it saves, by name."""

    held_back: Mapping[str, str]  # what is not sent yet: it may begin a secret
    overflows: Mapping[str, int | None]  # bytes of the files that have the whole text
    sent: Mapping[str, int]  # bytes of this attempt, -1 where the stream takes no more


class Saved(NamedTuple):
    """What a task has saved; values and cursors are JSON, `value` is "" for none."""

    value: str
    loops: Mapping[str, list[str]]  # key -> done and cursor
    held_back: Mapping[str, str]
    asked: Mapping[str, int]
    overflows: Mapping[str, int | None]  # stream -> bytes of its file, None if not begun

    def as_json(self) -> str:
        """Return it as the record keeps it."""
        loops = ""
        if self.loops:
            loops = ",".join(
                f"{json.dumps(key)}:[{done},{cursor}]" for key, (done, cursor) in self.loops.items()
            )
        ends = f',"held_back":{json.dumps(self.held_back)}' if self.held_back else ""
        asked = f',"asked":{json.dumps(self.asked)}' if self.asked else ""
        files = f',"overflows":{json.dumps(self.overflows)}' if self.overflows else ""
        return f'{{"value":{self.value or NONE},"loops":{{{loops}}}{ends}{asked}{files}}}'


def saved_from(text: str) -> Saved:
    """Return what a record has kept; `text` is "" for nothing."""
    kept = json.loads(text or "{}")
    return Saved(
        json.dumps(kept["value"]) if kept else "",
        {
            key: [str(done), json.dumps(cursor)]
            for key, (done, cursor) in kept.get("loops", {}).items()
        },
        kept.get("held_back", {}),
        kept.get("asked", {}),
        kept.get("overflows", {}),
    )

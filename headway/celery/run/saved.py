"""The JSON text in which a record keeps what a task has saved.

It is `{"number": ..., "by": ..., "value": ..., "loops": {"<key>": [done, cursor], ...}}`, where
`number` and `by` are for saves.lua; under "held_back" the ends of the task's streams that were not
sent, by name; under "asked" how many questions of each text had been asked by then; under
"overflows" the bytes of the files that have the whole text of streams, null for one that is begun
only if what was held back is too much for its stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from headway.json_values import ENCODER

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
        """Return it as the record keeps it, but for what `numbered` adds."""
        loops = ""
        if self.loops:
            loops = ",".join(
                f"{json.dumps(key)}:[{done},{cursor}]" for key, (done, cursor) in self.loops.items()
            )
        ends = f',"held_back":{json.dumps(self.held_back)}' if self.held_back else ""
        asked = f',"asked":{json.dumps(self.asked)}' if self.asked else ""
        files = f',"overflows":{json.dumps(self.overflows)}' if self.overflows else ""
        return f'{{"value":{self.value or NONE},"loops":{{{loops}}}{ends}{asked}{files}}}'


def numbered(saved: str, number: int, by: str) -> str:
    """Return what `Saved.as_json` returned as the save with this number; `by` is JSON."""
    return f'{{"number":{number},"by":{by},{saved[1:]}'


class Found(NamedTuple):
    """What a record has kept of a task's saves."""

    saved: Saved
    number: int  # of the last one, 0 for none
    by: str  # token of the run that saved something new last, "" for none


def found_in(text: str) -> Found:
    """Return what a record has kept; `text` is "" for nothing."""
    kept = json.loads(text or "{}")
    saved = Saved(
        ENCODER.encode(kept["value"]) if kept else "",
        {
            key: [str(done), ENCODER.encode(cursor)]
            for key, (done, cursor) in kept.get("loops", {}).items()
        },
        kept.get("held_back", {}),
        kept.get("asked", {}),
        kept.get("overflows", {}),
    )
    return Found(saved, kept.get("number", 0), kept.get("by", ""))

"""The JSON text in which a record keeps what a task has saved.

It is `{"number": ..., "by": ..., "value": ..., "loops": {"<key>": [done, cursor], ...}}`, where
`number` and `by` are for saves.lua; under "asked" how many questions of each text had been asked by
then; under "held_back" the ends of the task's streams that were not sent, by name, and under
"marks" the ends that were, where what follows may be a credential; under "overflows" the bytes of
the files that have the whole text of streams, null for one that is begun only if what was held
back is too much for its stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from headway.json_values import ENCODER

NONE = "null"


class StreamEnds(NamedTuple):
    """How the streams of a run are as it saves, by name."""

    held_back: dict[str, str]  # what is not sent yet: it may begin a secret
    marks: dict[str, str]  # the end of what is: a secret may follow it
    overflows: dict[str, int | None]  # bytes of the files that have the whole text, None: not begun
    sent: Mapping[str, int]  # bytes of this attempt, -1 where the stream takes no more


class Saved(NamedTuple):
    """What a task has saved; values and cursors are JSON, `value` is "" for none."""

    value: str
    loops: Mapping[str, list[str]]  # key -> done and cursor
    asked: Mapping[str, int]
    ends: StreamEnds

    def as_json(self) -> str:
        """Return it as the record keeps it, but for what `numbered` adds."""
        return self.own_part() + self.rest()

    def own_part(self) -> str:
        """Return the first part of the JSON: how far the task is, whatever its streams are."""
        loops = ""
        if self.loops:
            loops = ",".join(
                f"{json.dumps(key)}:[{done},{cursor}]" for key, (done, cursor) in self.loops.items()
            )
        asked = f',"asked":{json.dumps(self.asked)}' if self.asked else ""
        return f'{{"value":{self.value or NONE},"loops":{{{loops}}}{asked}'

    def rest(self) -> str:
        """Return the rest of the JSON: how the task's streams are."""
        held_back, marks, overflows, _ = self.ends
        ends = f',"held_back":{json.dumps(held_back)}' if held_back else ""
        shown = f',"marks":{json.dumps(marks)}' if marks else ""
        files = f',"overflows":{json.dumps(overflows)}' if overflows else ""
        return f"{ends}{shown}{files}}}"


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
        kept.get("asked", {}),
        StreamEnds(kept.get("held_back", {}), kept.get("marks", {}), kept.get("overflows", {}), {}),
    )
    return Found(saved, kept.get("number", 0), kept.get("by", ""))

"""What the task page shows of a task's streams without a script."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headway.display.languages import words_of
from headway.shapes import SnapshotDict
from headway.store.queries import Queries

MAX_BYTES = 64 * 1024  # of each stream's end
# What a terminal takes for no text, as in ansi.js; only the script shows its colours.
SEQUENCES = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[PX^_][^\x1b]*\x1b\\"
    r"|[ -/]*(?![\[\]PX^_])[0-~])"
)


@dataclass(frozen=True)
class StreamEnd:
    """The end of a stream's text; `is_cut` where there is more before it.

    `file` is the task's file that has the whole text of a longer one, "" for none.
    """

    name: str
    state: str
    text: str
    is_cut: bool
    file: str


def stream_ends(queries: Queries, task: SnapshotDict) -> list[StreamEnd]:
    """Return the end of each of a task's streams."""
    streams = task["streams"]
    starts = {
        name: (max(0, stream["length"] - MAX_BYTES), stream["epoch"])
        for name, stream in streams.items()
    }
    found = queries.read_streams(task["task_id"], starts) if streams else {}
    return [
        StreamEnd(
            name,
            words_of("page")["ended" if page["closed"] else "writing"],
            SEQUENCES.sub("", page["text"]),
            page["offset"] > 0,
            streams[name].get("file", ""),
        )
        for name, page in found.items()
    ]

"""What the task page shows of a task's streams without a script."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from headway.display.languages import words_of
from headway.shapes import SnapshotDict, StreamState
from headway.store.model import StreamPage
from headway.store.queries import Queries
from headway.web.pages import markdown
from headway.web.pages.ansi import coloured

MAX_BYTES = 64 * 1024  # of each stream's end
NO_FILES = markdown.TaskFiles({}, {})  # a link in a stream leads to the web


@dataclass(frozen=True)
class StreamEnd:
    """The end of a stream's text; `is_cut` where there is more before it.

    Of one whose `format` is "markdown", not "" for plain text, `markdown` is it as HTML. `file` is
    the task's file that has the whole text of a longer one, "" for none.
    """

    name: str
    state: str
    text: Markup
    is_cut: bool
    format: str
    markdown: Markup | None
    file: str


def stream_ends(queries: Queries, task: SnapshotDict) -> list[StreamEnd]:
    """Return the end of each of a task's streams."""
    streams = task["streams"]
    starts = {
        name: (max(0, stream["length"] - _max_bytes(stream)), stream["epoch"])
        for name, stream in streams.items()
    }
    found = queries.read_streams(task["task_id"], starts) if streams else {}
    return [_end(name, streams[name], page) for name, page in found.items()]


def _max_bytes(stream: StreamState) -> int:
    return markdown.MAX_CHARS if "format" in stream else MAX_BYTES


def _end(name: str, stream: StreamState, page: StreamPage) -> StreamEnd:
    text = page["text"]
    kind = stream.get("format", "")
    return StreamEnd(
        name,
        words_of("page")["ended" if page["closed"] else "writing"],
        coloured(text),
        page["offset"] > 0,
        kind,
        markdown.render_in_turn(text, NO_FILES) if kind == "markdown" else None,
        stream.get("file", ""),
    )

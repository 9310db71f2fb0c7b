"""What is captured of a run: the lines that it prints and logs, and the bars that it shows."""

from __future__ import annotations

import threading
from typing import Any

from headway.capture.lines import MAX_LINE_CHARS, LineSplitter
from headway.capture.measures import MeasureReader
from headway.celery.run.runs import HERE, Run
from headway.values import clip


def captured() -> Captured | None:
    """Return the sink for the output of the caller's run, None where it is not captured.

    A thread of unknown origin belongs to no run here, even where it may report for one: the
    worker's own threads write too.
    """
    run: Run | None = HERE.get().run
    return None if run is None or run.has_ended else run.captured


class Captured:
    """Takes the output of a run; its threads write at once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._splitters: dict[tuple[str, int], LineSplitter] = {}  # by level and thread
        self.bars: set[Any] = set()  # the Bars that are open

    def write(self, level: str, text: str) -> None:
        """Take text that the calling thread prints."""
        key = level, threading.get_ident()
        splitter = self._splitters.get(key)
        if splitter is None:
            splitter = self._splitters[key] = LineSplitter()
        for line in splitter.feed(text):
            if line.is_final and not (line.is_drawn and MeasureReader().read(line.text)):
                self.log(level, line.text)

    def log(self, level: str, text: str) -> None:
        """Add a line to the task's log; an empty one is left out."""
        if text:
            self._run.buffer.log(level, clip(text, MAX_LINE_CHARS))

    def close(self) -> None:
        """Add unfinished lines to the log, and end the bars that are still open."""
        for (level, _), splitter in list(self._splitters.items()):
            for line in splitter.close():
                self.log(level, line.text)
        self._splitters.clear()
        for bar in tuple(self.bars):
            bar.close()

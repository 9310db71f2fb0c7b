"""Sends what a run writes to its streams to the record, from a thread of its own.

As a new attempt claims its task, claim.lua cuts the streams back to the last save.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headway.celery.run.flusher import Flusher
from headway.celery.run.overflow import Overflow
from headway.celery.run.runs import Run
from headway.celery.run.saved import StreamEnds
from headway.celery.run.stream_sender import StreamSender
from headway.celery.run.text_stream import TextStream
from headway.celery.storing.persistence import until_stored
from headway.store.errors import RedisUnavailable

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1 / 30  # between two pushes of a stream
MAX_STREAMS = 16  # of a run
# Clients take "." and ".." out of an address.
NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}")
OVERFLOW_FILE = "file"
MARKDOWN = "markdown"
NO_STREAMS = StreamEnds({}, {}, {}, {})

FLUSHER = Flusher("streams", FLUSH_SECONDS)
os.register_at_fork(after_in_child=FLUSHER.forget)


class RunStreams:
    """The streams of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._senders: dict[str, StreamSender] = {}
        self._opening = threading.Lock()
        self._sending = threading.Lock()
        self._has_failed = False

    def open(self, name: str, format: str | None, overflow: str | None) -> TextStream:
        """Return the run's stream of this name, open.

        Raises ValueError for too many, or for a file of one that is full; ConfigError.

        It has the last format that was asked for, and overflows to a file from when that is first
        asked for.
        """
        with self._opening:
            sender = self._senders.get(name)
            if sender is None:
                if len(self._senders) >= MAX_STREAMS:
                    raise ValueError(f"A run has at most {MAX_STREAMS} streams.")
                sender = StreamSender(TextStream(name, self._run), self._run)
            sender.format = format or sender.format
            if overflow and sender.overflow is None:
                if sender.is_full:
                    raise ValueError(f"The stream {name!r} is full: ask for its file before that.")
                saved = self._run.checkpoint.overflow(name)
                sender.overflow = Overflow(self._run, name, saved)
            self._senders = {**self._senders, name: sender}  # from now on the flusher sends it
            sender.stream.open_again()
            return sender.stream

    def flush(self) -> None:
        """Send a piece of each stream; what Redis does not take now is sent the next time."""
        with self._sending:
            for sender in self._senders.values():
                try:
                    sender.send()
                except RedisUnavailable:
                    return

    @contextmanager
    def paused(self) -> Iterator[StreamEnds]:
        """Send all text before the block, and none within it; the block is for a save.

        Gives how the streams are then. Raises RedisUnavailable if Redis does not take all now.
        """
        with self._sending:
            yield self._send_now()

    def _send_now(self) -> StreamEnds:
        for sender in self._senders.values():
            while sender.send() or not sender.sync():
                pass
        senders = self._senders.items()
        return StreamEnds(
            {name: held for name, sender in senders if (held := sender.masked.held_back)},
            {name: mark for name, sender in senders if (mark := sender.masked.mark)},
            {name: sender.file_size for name, sender in senders if _needs_file(sender)},
            {name: _sent(sender) for name, sender in senders},
        )

    def send_all(self) -> None:
        """Send all that has been written by now; waits for a Redis that is away."""
        with self._sending:
            for sender in self._senders.values():
                while until_stored(sender.send):
                    pass

    def close(self) -> None:
        """Close the streams and send what is unsent, before the run's outcome is stored."""
        FLUSHER.remove(self)
        for sender in self._senders.values():
            sender.stream.close()
        try:
            self.send_all()
        except Exception:
            self.fail("Text")
        for sender in self._senders.values():
            sender.finish()

    def fail(self, what: str) -> None:
        """Log once why something is not sent; that stops neither the run nor the flusher."""
        if not self._has_failed:
            logger.exception("%s of task %s is not sent", what, self._run.task_id)
        self._has_failed = True


def _needs_file(sender: StreamSender) -> bool:
    """Whether what was sent, or is held back, may need the file that takes what is too much."""
    return sender.overflow is not None and (
        sender.file_size is not None or sender.masked.held_back != ""
    )


def _sent(sender: StreamSender) -> int:
    """Return how many bytes of this attempt a stream has, -1 where it takes no more."""
    takes_more = not sender.has_ended and not sender.is_full and sender.file_size is None
    return sender.sent if takes_more else -1


def open_stream(
    run: Run | None, name: str, *, format: str | None = None, overflow: str | None = None
) -> TextStream:
    """Return a stream of the run, open; outside of runs, one that ignores what is written.

    Raises ValueError for an invalid name, format or overflow, for too many streams, or for a file
    of one that is full; RuntimeError in a child process of the run; ConfigError for a file without
    a folder.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a stream: 1 to 64 of A-Z a-z 0-9 _ . -, and not . or .."
        )
    if overflow not in (None, OVERFLOW_FILE):
        raise ValueError(f"A stream overflows to a file or not at all, not to {overflow!r}.")
    if format not in (None, MARKDOWN):
        raise ValueError(f"A stream is plain text or {MARKDOWN!r}, not {format!r}.")
    if run is None:
        return TextStream(name, None)
    if run.task is None:
        raise RuntimeError(
            "A child process cannot write its task's streams: write in the run's own process."
        )
    if run.streams is None and not run.is_child:  # a child process has no streams, and says so
        run.sender.settle()
    with run.lock:
        if run.streams is None:
            run.streams = RunStreams(run)
            FLUSHER.add(run.streams)
    stream: TextStream = run.streams.open(name, format, overflow)
    return stream

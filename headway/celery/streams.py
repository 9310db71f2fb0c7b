"""Sends what a run writes to its streams to the record, from a thread of its own."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from headway import masking, settings
from headway.celery.fencing import delivery_of
from headway.celery.flusher import Flusher
from headway.celery.overflow import Overflow
from headway.celery.persistence import until_stored
from headway.celery.runs import Run
from headway.celery.saved import StreamEnds
from headway.celery.text_stream import TextStream
from headway.store.errors import RedisUnavailable
from headway.store.model import MAX_CALL_BYTES, Outcome

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1 / 30  # between two pushes of a stream
MAX_STREAMS = 16  # of a run
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
OVERFLOW_FILE = "file"
NO_STREAMS = StreamEnds({}, {})
CONTINUATION = range(0x80, 0xC0)  # bytes of UTF-8 that begin no character

FLUSHER = Flusher("streams", FLUSH_SECONDS)
os.register_at_fork(after_in_child=FLUSHER.forget)


class StreamSender:
    """Sends the text of one stream, piece by piece, each once.

    What it takes it gives to `overflow` too, and that alone once the stream has its limit.
    """

    def __init__(self, stream: TextStream, run: Run) -> None:
        self.stream = stream
        self._run = run
        self._backend = run.task.backend
        self._max_bytes = int(settings.STREAM_MAX_BYTES.read(self._backend.app.conf))
        # What may turn out to be the beginning of a secret, also as the task was last saved.
        self.held_back: str = run.checkpoint.held_back(stream.name)
        self._taken = 0  # characters of what is unsent
        self._unsent = b""
        self._sent = 0  # bytes of this attempt in Redis
        self._told_closed: bool | None = None  # None: nothing has been sent
        self.overflow: Overflow | None = None
        self.has_ended = False
        self.is_full = False  # and no file takes the rest

    def send(self) -> bool:
        """Send what has been written, in one piece of at most MAX_CALL_BYTES.

        Returns whether there is more to send. Raises RedisUnavailable if Redis does not take it
        now; the same piece is sent again the next time.
        """
        try:
            return not self.has_ended and self._send()
        except RedisUnavailable:
            raise
        except Exception:  # it would fail for ever, and the task would wait for ever
            task_id = self._run.task_id
            logger.exception("The stream %s of task %s is cut off", self.stream.name, task_id)
            self._end()
            return False

    def _send(self) -> bool:
        is_closed = self.stream.closed
        if self.overflow is not None and not self._unsent:
            self.overflow.begin()
        self._take(is_closed)
        if self.overflow is not None and self.overflow.is_spilled:
            self._note_taken()
            self._act_on(self.overflow.settle(is_closed))
            return False
        if self.has_ended or (not self._unsent and self._told_closed == is_closed):
            return False
        end = _whole_characters(self._unsent, MAX_CALL_BYTES)
        closes = is_closed and end == len(self._unsent)
        outcome = self._write(self._unsent[:end], closes)
        if outcome == Outcome.FULL and (overflow := self._overflow) is not None:
            overflow.spill()
            return True  # it is noted next
        self._told_closed = closes
        self._sent += end
        self._unsent = self._unsent[end:]
        if not self._unsent:
            self._note_taken()
        self._act_on(outcome)
        return bool(self._unsent) and not self.has_ended

    def _take(self, is_last: bool) -> None:
        text = self.stream.take()
        self._taken += len(text)
        text = self.held_back + text
        end = len(text) if is_last else masking.closed_end(text)
        self.held_back = text[end:]
        data = masking.mask(text[:end]).encode("utf-8", "replace")
        self._unsent += data
        if (overflow := self._overflow) is not None:
            overflow.add(data)

    @property
    def _overflow(self) -> Overflow | None:
        """Return what takes all text beside Redis, None while it does not."""
        return self.overflow if self.overflow is not None and self.overflow.has_begun else None

    def _note_taken(self) -> None:
        """Note that all that was taken is where it belongs."""
        self._unsent = b""
        self.stream.note_stored(self._taken)
        self._taken = 0

    def _write(self, piece: bytes, closes: bool) -> Outcome:
        request = self._run.request
        run = (request.id, delivery_of(request))
        file = self._overflow.file_name if self._overflow is not None else ""
        about = {"closes": closes, "max_bytes": self._max_bytes, "overflow": file}
        write = self._backend.records.output.write_stream
        outcome: Outcome = write(*run, self.stream.name, self._sent, piece, **about)
        if outcome == Outcome.UNKNOWN:  # Redis has lost the record: a report makes it again
            self._backend.runs.report(request, "PROGRESS", {})
            outcome = write(*run, self.stream.name, self._sent, piece, **about)
        return outcome

    def _act_on(self, outcome: Outcome) -> None:
        """Stop the run if it has to end, and the stream if it is full or refused."""
        if outcome not in (Outcome.WRITTEN, Outcome.FULL):
            self._run.stop(outcome)
        self.is_full = outcome == Outcome.FULL
        if outcome not in (Outcome.WRITTEN, Outcome.CANCELLING):
            self._end()

    def _end(self) -> None:
        """Send no more."""
        self.has_ended = True
        self._unsent = b""
        self.stream.discard()
        self.finish()

    def finish(self) -> None:
        """Keep nothing open."""
        if self.overflow is not None:
            self.overflow.close()


class RunStreams:
    """The streams of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._senders: dict[str, StreamSender] = {}
        self._opening = threading.Lock()
        self._sending = threading.Lock()
        self._has_failed = False

    def open(self, name: str, overflow: str | None) -> TextStream:
        """Return the run's stream of this name, open.

        Raises ValueError for too many, or for a file of one that is full; ConfigError.

        It overflows to a file from when that is first asked for.
        """
        with self._opening:
            sender = self._senders.get(name)
            if sender is None:
                if len(self._senders) >= MAX_STREAMS:
                    raise ValueError(f"A run has at most {MAX_STREAMS} streams.")
                sender = StreamSender(TextStream(name, self._run), self._run)
                self._senders = {**self._senders, name: sender}
            if overflow and sender.overflow is None:
                if sender.is_full:
                    raise ValueError(f"The stream {name!r} is full: ask for its file before that.")
                saved = self._run.checkpoint.overflow(name)
                sender.overflow = Overflow(self._run, name, saved)
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
    def held_still(self) -> Iterator[StreamEnds | None]:
        """Send all text before the block, and none within it; the block is for a save.

        Gives how the streams are then; None if Redis does not take all now.
        """
        with self._sending:
            yield self._send_now()

    def _send_now(self) -> StreamEnds | None:
        try:
            for sender in self._senders.values():
                while sender.send():
                    pass
        except RedisUnavailable:
            return None
        held_back = {name: sender.held_back for name, sender in self._senders.items()}
        files = {name: sender.overflow for name, sender in self._senders.items()}
        return StreamEnds(
            {name: text for name, text in held_back.items() if text},
            {name: file.sync() for name, file in files.items() if file and file.is_spilled},
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


def held_still(run: Run) -> AbstractContextManager[StreamEnds | None]:
    """Return `RunStreams.held_still` of a run's streams; one without streams holds back nothing."""
    return nullcontext(NO_STREAMS) if run.streams is None else run.streams.held_still()


def open_stream(run: Run | None, name: str, overflow: str | None = None) -> TextStream:
    """Return a stream of the run, open; outside of runs, one that ignores what is written.

    Raises ValueError for an invalid name or overflow, for too many streams, or for a file of one
    that is full; RuntimeError in a child process of the run; ConfigError for a file without a
    folder.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a stream: 1 to 64 of A-Z a-z 0-9 _ . -")
    if overflow not in (None, OVERFLOW_FILE):
        raise ValueError(f"A stream overflows to a file or not at all, not to {overflow!r}.")
    if run is None:
        return TextStream(name, None)
    if run.task is None:
        raise RuntimeError(
            "A child process cannot write its task's streams: write in the run's own process."
        )
    with run.lock:
        if run.streams is None:
            run.streams = RunStreams(run)
            FLUSHER.add(run.streams)
    stream: TextStream = run.streams.open(name, overflow)
    return stream


def _whole_characters(data: bytes, most: int) -> int:
    """Return the length to which data can be cut, at most `most`, with each character whole."""
    if len(data) <= most:
        return len(data)
    while data[most] in CONTINUATION:
        most -= 1
    return most

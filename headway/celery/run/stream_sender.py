"""Sends the text of one stream to the record and, once that is full, to the overflow file."""

from __future__ import annotations

import logging

from headway import masking, settings
from headway.celery.run.overflow import Overflow
from headway.celery.run.runs import Run
from headway.celery.run.text_stream import TextStream
from headway.celery.storing.fencing import delivery_of
from headway.store.errors import RedisUnavailable
from headway.store.model import MAX_CALL_BYTES, Outcome
from headway.store.output import NO_FILE

logger = logging.getLogger(__name__)

CONTINUATION = range(0x80, 0xC0)  # bytes of UTF-8 that begin no character


class StreamSender:
    """Sends the text of one stream, piece by piece, each once.

    It passes the text to `overflow` too, which alone takes it once the stream is full.
    """

    def __init__(self, stream: TextStream, run: Run) -> None:
        self.stream = stream
        self._run = run
        self._backend = run.task.backend
        self._max_bytes = int(settings.STREAM_MAX_BYTES.read(self._backend.app.conf))
        # It holds back what may begin a secret; at first, the end of the text at the last save.
        self.masked = masking.MaskedStream(*run.checkpoint.end_of(stream.name))
        self._taken = 0  # characters of what is unsent
        self._unsent = b""
        self.sent = 0  # bytes of this attempt in Redis
        self._told_closed: bool | None = None  # None: nothing has been sent
        self.overflow: Overflow | None = None
        self._is_cut_off = False  # whether the file could not be written
        self.format = ""  # plain text
        self.has_ended = False
        self.is_full = False  # with no file that takes the rest

    def send(self) -> bool:
        """Send what has been written, in one piece of at most MAX_CALL_BYTES.

        Returns whether there is more to send. Raises RedisUnavailable if Redis does not take it
        now; the same piece is sent again the next time.
        """
        try:
            return not self.has_ended and self._send()
        except RedisUnavailable:
            raise
        except Exception:  # it would fail each time, and the task would wait for ever
            return self._cut_off()

    def sync(self) -> bool:
        """Sync the file; return False if that failed, and the record has yet to be told."""
        try:
            if self.overflow is not None:
                self.overflow.sync()
        except Exception:
            return not self._cut_off()
        return True

    @property
    def file_size(self) -> int | None:
        """The size in bytes that the overflow file should have, None without one."""
        return self._overflow.size if self._overflow and self._overflow.is_named else None

    def _cut_off(self) -> bool:
        """Take no more text; return whether the record has yet to say that the file lacks some."""
        about = (self.stream.name, self._run.task_id)
        logger.exception("The stream %s of task %s is cut off", *about)
        if self._overflow is None or self._is_cut_off:
            self._end()
            return False
        self._is_cut_off = True
        self.stream.discard()
        self._overflow.fail()
        return True

    def _send(self) -> bool:
        is_closed = self.stream.closed
        if self._is_cut_off:
            return self._send_piece(True)
        if self.overflow is not None and not self._unsent:
            self.overflow.begin()
        self._take(is_closed)
        if (overflow := self._overflow) is not None and overflow.is_named:
            self._note_taken()
            self._act_on(overflow.settle(is_closed))
            return False
        if not self._unsent and self._told_closed == is_closed:
            return False
        return self._send_piece(is_closed)

    def _send_piece(self, is_last: bool) -> bool:
        """Send the next of what is unsent; return whether there is more to send."""
        end = _whole_characters(self._unsent, MAX_CALL_BYTES)
        closes = is_last and end == len(self._unsent)
        outcome = self._write(self._unsent[:end], closes)
        if (overflow := self._overflow) is not None and not self._is_cut_off:
            if outcome == Outcome.SPILLS:
                overflow.spill()
                return True  # the same again, with what is noted of the file
            if outcome == Outcome.SPILLED:
                overflow.is_named = True
                return True  # the size that it has by now is noted next
        self._told_closed = closes
        self.sent += end
        self._unsent = self._unsent[end:]
        if not self._unsent:
            self._note_taken()
        self._act_on(outcome)
        return bool(self._unsent) and not self.has_ended

    def _take(self, is_last: bool) -> None:
        text = self.stream.take()
        self._taken += len(text)
        data = self.masked.feed(text, is_last=is_last).encode("utf-8", "replace")
        self._unsent += data
        if (overflow := self._overflow) is not None:
            overflow.add(data)

    @property
    def _overflow(self) -> Overflow | None:
        """The overflow once it takes all text beside Redis, else None."""
        return self.overflow if self.overflow is not None and self.overflow.has_begun else None

    def _note_taken(self) -> None:
        """Note that all the text taken so far is stored."""
        self._unsent = b""
        self.stream.note_stored(self._taken)
        self._taken = 0

    def _write(self, piece: bytes, closes: bool) -> Outcome:
        request = self._run.request
        run = (request.id, delivery_of(request))
        file = self._overflow.in_record() if self._overflow is not None else NO_FILE
        kept = {"max_bytes": self._max_bytes, "overflow": file, "format": self.format}
        write = self._backend.records.output.write_stream
        outcome: Outcome = write(*run, self.stream.name, self.sent, piece, closes=closes, **kept)
        if outcome == Outcome.UNKNOWN:  # Redis has lost the record: a report makes it again
            self._backend.runs.report(request, "PROGRESS", {})
            outcome = write(*run, self.stream.name, self.sent, piece, closes=closes, **kept)
        return outcome

    def _act_on(self, outcome: Outcome) -> None:
        """Stop the run if it has to end, and the stream if it is full or refused."""
        self.is_full = outcome in (Outcome.FULL, Outcome.SPILLED)
        if outcome != Outcome.WRITTEN and not self.is_full:
            self._run.stop(outcome)
        if outcome not in (Outcome.WRITTEN, Outcome.CANCELLING):
            self._end()

    def _end(self) -> None:
        """Send no more."""
        self.has_ended = True
        self._unsent = b""
        self.stream.discard()
        self.finish()

    def finish(self) -> None:
        """Close the overflow file, if there is one."""
        if self.overflow is not None:
            self.overflow.close()


def _whole_characters(data: bytes, most: int) -> int:
    """Return the length to which data can be cut, at most `most`, with each character whole."""
    if len(data) <= most:
        return len(data)
    while data[most] in CONTINUATION:
        most -= 1
    return most

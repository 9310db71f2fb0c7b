"""Reads the one file of a multipart body as it arrives, without a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from werkzeug.exceptions import ClientDisconnected
from werkzeug.sansio.multipart import Data, Epilogue, Event, File, MultipartDecoder, NeedData

from headway.web.requests.errors import APIError
from headway.web.requests.forms import NOT_UTF8

PIECE_BYTES = 64 * 1024
MAX_HEAD_BYTES = 256 * 1024  # of a part, and of what lies around the parts
MAX_PARTS = 10
NO_FILE = APIError(400, "no_file", "Send one file, as a part of the form with a file name.")
BROKEN = APIError(400, "broken_body", "The file did not arrive whole, so it was not kept.")
TWO_FILES = APIError(400, "two_files", "Send one file at a time.")


class UploadedPart:
    """The file in a multipart body: its name, and its pieces as they arrive.

    Other parts are left out. Reading raises APIError for a body without a file or with two, and
    for one that is malformed or breaks off.
    """

    def __init__(self, body: IO[bytes], boundary: str) -> None:
        """Read up to the file."""
        self._body = body
        self._decoder = MultipartDecoder(boundary.encode(), MAX_HEAD_BYTES, max_parts=MAX_PARTS)
        self.name = ""
        while not isinstance(event := self._next(), File):
            if isinstance(event, Epilogue):
                raise NO_FILE
        self.name = event.filename

    def __iter__(self) -> Iterator[bytes]:
        has_more = True
        while has_more:
            event = self._next()
            if isinstance(event, Data):
                has_more = event.more_data
                yield event.data
        while not isinstance(event := self._next(), Epilogue):
            if isinstance(event, File):
                raise TWO_FILES

    def _next(self) -> Event:
        try:
            while isinstance(event := self._decoder.next_event(), NeedData):
                self._decoder.receive_data(self._body.read(PIECE_BYTES) or None)
        except UnicodeDecodeError:
            raise NOT_UTF8 from None
        except (ValueError, ClientDisconnected):
            raise BROKEN from None
        return event

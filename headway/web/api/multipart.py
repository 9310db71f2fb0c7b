"""Reads multipart bodies: one file as it arrives, without a copy of it, or a form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

from werkzeug.exceptions import ClientDisconnected
from werkzeug.formparser import FormDataParser
from werkzeug.sansio.multipart import Data, Epilogue, Event, File, MultipartDecoder, NeedData

from headway.web.requests.errors import APIError

PIECE_BYTES = 64 * 1024
MAX_HEAD_BYTES = 256 * 1024  # of a part, and of what lies around the parts
MAX_PARTS = 10
NO_FILE = APIError(400, "no_file", "Send one file, as a part of the form with a file name.")
TWO_FILES = APIError(400, "two_files", "Send one file at a time.")
NOT_UTF8 = APIError(
    400,
    "not_utf8",
    "The name of the file, or of another part of the form, is not UTF-8. Send it as UTF-8, as "
    "browsers do, or under another name: curl -F 'file=@...;filename=people.csv'.",
)
BROKEN = APIError(400, "broken_body", "The file did not arrive whole, so it was not kept.")


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


class FormParser(FormDataParser):
    """Werkzeug's parser, which refuses a malformed form instead of taking it for an empty one."""

    def __init__(self, *, stream_factory: Callable[..., IO[bytes]], **options: Any) -> None:
        super().__init__(stream_factory=self._open_file, silent=False, **options)
        self._factory = stream_factory
        self._files: list[IO[bytes]] = []

    def parse(self, *args: Any, **options: Any) -> Any:
        """Return `(stream, form, files)`. Raises APIError."""
        try:
            return super().parse(*args, **options)
        except ValueError as error:
            for file in self._files:
                file.close()
            raise (NOT_UTF8 if isinstance(error, UnicodeDecodeError) else BROKEN) from None

    def _open_file(self, *args: Any, **options: Any) -> IO[bytes]:
        file = self._factory(*args, **options)
        self._files.append(file)
        return file

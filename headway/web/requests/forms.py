"""Reads forms strictly: one that is malformed, or whose texts are not UTF-8, is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO, Any
from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser

from headway.display.languages import Sentence
from headway.web.requests.errors import APIError

BYTES = "iso-8859-1"  # which has a character for each byte
UTF8 = {"utf-8", "ascii", "us-ascii"}
NOT_UTF8 = APIError(
    400,
    "not_utf8",
    "The name of the file, or of another part of the form, is not UTF-8. Send it as UTF-8, as "
    "browsers do, or under another name: curl -F 'file=@...;filename=people.csv'.",
)
TEXT_NOT_UTF8 = APIError(
    400, "not_utf8", "A text of the form is not UTF-8. Send it as UTF-8, as browsers do."
)
BROKEN = APIError(
    400, "broken_body", "This form is malformed or did not arrive whole, so nothing was done."
)
# Each holds a descriptor, or half a megabyte of memory, until the request has ended.
MAX_FILES = 20
TOO_MANY_FILES = APIError(
    400, "too_many_files", Sentence("A form has at most {count} files.", count=MAX_FILES)
)


def read_strictly() -> None:
    """Have the current request's form refused where it cannot be read as it was sent.

    Flask's own would be an empty form, or one with other characters. Call it before the form is
    read, which then raises APIError.
    """
    request.form_data_parser_class = FormParser


class FormParser(FormDataParser):
    """Werkzeug's parser, which refuses what it would replace or leave out."""

    def __init__(self, *, stream_factory: Callable[..., IO[bytes]], **options: Any) -> None:
        super().__init__(stream_factory=self._open_file, silent=False, **options)
        self._factory = stream_factory
        self._files: list[IO[bytes]] = []

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> Any:
        """Return `(stream, form, files)`. Raises APIError."""
        try:
            if mimetype == "application/x-www-form-urlencoded":
                pairs = _pairs(stream.read(), self.max_form_parts)
                return stream, self.cls(pairs), self.cls()
            if mimetype == "multipart/form-data":
                form, files = self._parts(stream, content_length, options or {})
                return stream, self.cls(_decoded(form.items(multi=True))), files
            return super().parse(stream, mimetype, content_length, options)
        except (ValueError, APIError) as error:
            for file in self._files:
                file.close()
            if isinstance(error, APIError):
                raise
            raise (NOT_UTF8 if isinstance(error, UnicodeDecodeError) else BROKEN) from None

    def _parts(self, stream: IO[bytes], length: int | None, options: dict[str, str]) -> Any:
        boundary = options.get("boundary", "").encode("ascii")
        if not boundary:
            raise ValueError("There is no boundary.")
        parser = TextsAsBytes(
            stream_factory=self.stream_factory,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.cls,
        )
        return parser.parse(stream, boundary, length)

    def _open_file(self, *args: Any, **options: Any) -> IO[bytes]:
        if len(self._files) >= MAX_FILES:
            raise TOO_MANY_FILES
        file = self._factory(*args, **options)
        self._files.append(file)
        return file


class TextsAsBytes(MultiPartParser):
    """Werkzeug's parser, whose texts have a character for each byte that was sent."""

    def get_part_charset(self, headers: Any) -> str:
        """Return the charset by which a part is decoded. Raises APIError for another than UTF-8."""
        if super().get_part_charset(headers) not in UTF8:
            raise TEXT_NOT_UTF8
        return BYTES


def _decoded(texts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    try:
        return [(name, text.encode(BYTES).decode()) for name, text in texts]
    except UnicodeDecodeError:
        raise TEXT_NOT_UTF8 from None


def _pairs(body: bytes, most: int | None) -> list[tuple[str, str]]:
    """Return the fields of a form, at most so many. Raises RequestEntityTooLarge, APIError."""
    if most is not None and body.count(b"&") >= most:
        raise RequestEntityTooLarge
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise TEXT_NOT_UTF8 from None

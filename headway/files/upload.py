"""`Upload`: a file that somebody has uploaded, as the argument of a task."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, BinaryIO, Literal, overload

from headway.exceptions import HeadwayError

UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


class Upload:
    """A file that somebody has uploaded; as JSON it is its id.

    `name` is what its owner calls it, and no path; `size` is in bytes; `type` is its media type, as
    told by what it holds.
    """

    def __init__(
        self,
        upload_id: str,
        name: str = "",
        size: int = 0,
        type: str = "",
        opener: Callable[[], BinaryIO] | None = None,
    ) -> None:
        """A task gets these ready to be opened; tests make them by `headway.testing`."""
        self.id = upload_id
        self.name = name
        self.size = size
        self.type = type
        self._opener = opener

    @overload
    def open(
        self, mode: Literal["rb"] = "rb", *, encoding: None = None, newline: None = None
    ) -> BinaryIO: ...
    @overload
    def open(
        self, mode: Literal["r"], *, encoding: str = "utf-8", newline: str | None = None
    ) -> IO[str]: ...
    def open(
        self, mode: str = "rb", *, encoding: str | None = None, newline: str | None = None
    ) -> IO[bytes] | IO[str]:
        """Open the file to read it: bytes, or with the mode "r" text (UTF-8 without `encoding`).

        May be called any number of times. Raises UploadExpired if the file is no longer there,
        ValueError for another mode, HeadwayError outside of a task.
        """
        if mode not in ("r", "rb"):
            raise ValueError(f"An upload is opened with the mode r or rb, not {mode!r}.")
        if self._opener is None:
            raise HeadwayError("An upload can be opened by the task that has it as an argument.")
        file = self._opener()
        if mode == "rb":
            return file
        return io.TextIOWrapper(file, encoding=encoding or "utf-8", newline=newline)

    def __str__(self) -> str:
        return self.name or self.id

    def __repr__(self) -> str:
        return f"<Upload {self.id} {self.name!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Upload) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __json__(self) -> str:
        """Return the id: a task may pass an upload on to another one."""
        return self.id


_load: ContextVar[Callable[[str], Upload]] = ContextVar("headway_uploads", default=Upload)


def upload_of(upload_id: str) -> Upload:
    """Return the upload with this id, as the calling code can use it. Raises UploadExpired."""
    return _load.get()(upload_id)


def is_upload_id(value: object) -> bool:
    """Whether a value has the form of an upload's id."""
    return isinstance(value, str) and UPLOAD_ID.fullmatch(value) is not None


@contextmanager
def loaded_by(load: Callable[[str], Upload]) -> Iterator[None]:
    """Have `upload_of` return what `load` does, within the block."""
    token = _load.set(load)
    try:
        yield
    finally:
        _load.reset(token)

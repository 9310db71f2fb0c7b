"""CSV files that people upload: their rows, and which columns hold what."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import IO

from headway import Example, Upload
from headway.texts import without_formula

MAX_HEADINGS = 4096  # characters, by which the separator is told
MAX_COLUMNS = 200
MAX_ROW = 128 * 1024  # characters: the csv module would collect a row of any number of cells
SEPARATORS = ",;\t"
# What a file looks like that can be imported, or mailed to.
PEOPLE = Example(
    "people.csv",
    "Name,Email,City\nAda,ada@example.com,London\nGrace,grace@example.com,New York\n",
)
HEADINGS = {
    "email": {"email", "e-mail", "mail", "email address", "e-mail address"},
    "name": {"name", "full name", "contact"},
}


def survey(source: Upload) -> tuple[list[str], int]:
    """Return the file's headings, and how many rows follow. Raises ValueError for another file."""
    with _read_as_text():
        rows = read_rows(source)
        return _first(rows), sum(1 for _ in rows)


def headings_of(source: Upload) -> list[str]:
    """Return the file's headings, and read no more of it. Raises ValueError for another file."""
    with _read_as_text(), closing(read_rows(source)) as rows:
        return _first(rows)


def _first(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, headings = next(rows, (0, []))
    if not headings:
        raise ValueError("This file is empty: it has no line of headings.")
    if len(headings) > MAX_COLUMNS:
        raise ValueError(f"This file has {len(headings):,} columns, of at most {MAX_COLUMNS}.")
    return headings


@contextmanager
def _read_as_text() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise ValueError("This file is not UTF-8 text: save it as CSV in UTF-8.") from None


def recognised(headings: list[str]) -> dict[str, int]:
    """Return which columns hold what. Raises ValueError for a file without email addresses."""
    names = [heading.strip().lower() for heading in headings]
    columns = {
        field: next(at for at, name in enumerate(names) if name in known)
        for field, known in HEADINGS.items()
        if known & set(names)
    }
    if "email" not in columns:
        raise ValueError(f"No column is named Email. There are: {', '.join(headings)}.")
    return columns


def read_rows(source: Upload) -> Generator[tuple[int, list[str]], None, None]:
    """Yield the rows of a file that are not empty, each with its line.

    Raises ValueError where no row can be told from the next, or one is too long.
    """
    with source.open("r", encoding="utf-8-sig", newline="") as file:
        separator = _separator(file)
        file.seek(0)
        # Strict: a quotation mark that is never closed would make one cell of all that follows.
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        line = 0
        try:
            for cells in reader:
                lines.begin_row()
                line = reader.line_num
                if any(cells):
                    yield line, cells
        except csv.Error as error:
            raise ValueError(
                f"Line {line + 1} is not CSV: {error}. Perhaps a quotation mark is not closed."
            ) from None


def as_csv(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as a CSV file, in which no text is a formula to a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerows(map(without_formula, row) for row in rows)
    return text.getvalue().encode()


class _Lines:
    """The lines of a file, of which no row has more than MAX_ROW characters."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._left = MAX_ROW
        self._line = 0

    def begin_row(self) -> None:
        """Note that the next line begins a row."""
        self._left = MAX_ROW

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(self._left + 1):
            self._line += 1
            self._left -= len(line)
            if self._left < 0:
                raise ValueError(
                    f"The row that line {self._line} is part of is too long: it may have "
                    f"{MAX_ROW:,} characters. Perhaps a quotation mark is not closed."
                )
            yield line


def _separator(file: IO[str]) -> str:
    """Return what separates the cells of the first line that is not empty."""
    while (line := file.readline(MAX_HEADINGS)) and not line.strip():
        pass
    return max(SEPARATORS, key=line.count)

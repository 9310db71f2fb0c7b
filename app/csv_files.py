"""CSV files that people upload: their rows, and which columns hold what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from headway import Upload

MAX_HEADINGS = 4096  # characters, by which the separator is told
SEPARATORS = ",;\t"
HEADINGS = {
    "email": {"email", "e-mail", "mail", "email address", "e-mail address"},
    "name": {"name", "full name", "contact"},
}


def survey(source: Upload) -> tuple[list[str], int]:
    """Return the file's headings, and how many rows follow. Raises ValueError for another file."""
    try:
        rows = read_rows(source)
        _, headings = next(rows, (0, []))
        return headings, sum(1 for _ in rows)
    except UnicodeDecodeError:
        raise ValueError("This file is not UTF-8 text: save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise ValueError(f"This file is no CSV: {error}.") from None


def recognised(headings: list[str]) -> dict[str, int]:
    """Return which columns hold what. Raises ValueError for a file without email addresses."""
    names = [heading.strip().lower() for heading in headings]
    columns = {
        field: next(at for at, name in enumerate(names) if name in known)
        for field, known in HEADINGS.items()
        if known & set(names)
    }
    if "email" not in columns:
        raise ValueError(f"No column is named Email. There are: {', '.join(headings) or 'none'}.")
    return columns


def read_rows(source: Upload) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a file that are not empty, each with its line."""
    with source.open("r", encoding="utf-8-sig", newline="") as file:
        first = file.readline(MAX_HEADINGS)
        separator = max(SEPARATORS, key=first.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator)
        for cells in reader:
            if any(cells):
                yield reader.line_num, cells


def as_csv(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as a CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()

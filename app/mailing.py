"""A mailing: who gets it, and what each of them is sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from app.addresses import BadAddress, check_address
from app.csv_files import read_rows, recognised, survey
from app.messages import one_line
from headway import Upload
from headway.texts import Sentence

MAX_RECIPIENTS = 10_000
MAX_ROWS = 20_000  # with those that get no email
MAX_CHARS = 100_000  # of an email: a long cell may stand in it many times
SEEN_BEFORE = Sentence("This address stands in the file before.")
TOO_LONG = Sentence("Its email would have more than {most} characters.", most=f"{MAX_CHARS:,}")
FIELD = re.compile(r"\{([^{}\n]+)\}")


class Recipient(NamedTuple):
    """A row with an email address: its line in the file, from 1, and its values by heading."""

    line: int
    email: str
    values: Mapping[str, str]

    @property
    def effect(self) -> str:
        """The name under which the task keeps what became of the email to this address."""
        return f"email {sha256(self.email.lower().encode()).hexdigest()}"


class LeftOut(NamedTuple):
    """A row that gets no email, and why."""

    line: int
    email: str
    why: str


class Mailing:
    """The recipients in a CSV file, and the text for them, in which `{name}` is a row's field."""

    def __init__(self, source: Upload, subject: str, body: str) -> None:
        """Read the file. Raises ValueError for a file or a text that no mailing can be made of."""
        self._subject = subject
        self._body = body
        self._headings, rows = survey(source)
        if rows > MAX_ROWS:
            raise ValueError(f"A mailing's file has at most {MAX_ROWS:,} rows, and this {rows:,}.")
        self._columns = recognised(self._headings)
        refuse_unclear_columns(self._headings)
        refuse_unknown_fields(self._headings, f"{subject}\n{body}")
        self._fields = Counter(map(_key, FIELD.findall(f"{subject}\n{body}")))
        self.recipients: list[Recipient] = []
        self.left_out: list[LeftOut] = []
        seen: set[str] = set()
        for line, cells in islice(read_rows(source), 1, None):
            self._add(line, cells, seen)
        if not self.recipients:
            raise ValueError("No row has a valid email address.")
        if len(self.recipients) > MAX_RECIPIENTS:
            raise ValueError(
                f"A mailing has at most {MAX_RECIPIENTS:,} recipients, "
                f"and this file {len(self.recipients):,}."
            )

    def text_for(self, recipient: Recipient) -> tuple[str, str]:
        """Return the subject, as it is sent, and the body for a recipient."""

        def value_of(found: re.Match[str]) -> str:
            return recipient.values.get(_key(found[1]), "")

        return one_line(FIELD.sub(value_of, self._subject)), FIELD.sub(value_of, self._body)

    def _add(self, line: int, cells: list[str], seen: set[str]) -> None:
        values = self._values_in(cells)
        at = self._columns["email"]
        text = cells[at].strip() if at < len(cells) else ""
        try:
            email = check_address(text)
        except BadAddress as error:
            self.left_out.append(LeftOut(line, text, str(error)))
            return
        if email.lower() in seen:
            self.left_out.append(LeftOut(line, text, SEEN_BEFORE))
            return
        if self._length_of(values) > MAX_CHARS:
            self.left_out.append(LeftOut(line, text, TOO_LONG))
            return
        seen.add(email.lower())
        self.recipients.append(Recipient(line, email, values))

    def _values_in(self, cells: list[str]) -> dict[str, str]:
        """Return a row's values for the fields of the text."""
        values = dict(zip(map(_key, self._headings), map(str.strip, cells), strict=False))
        for field, at in self._columns.items():
            values.setdefault(field, cells[at].strip() if at < len(cells) else "")
        return {field: value for field, value in values.items() if field in self._fields}

    def _length_of(self, values: Mapping[str, str]) -> int:
        """Return how many characters an email has at most."""
        filled = sum(len(values.get(field, "")) * times for field, times in self._fields.items())
        return len(self._subject) + len(self._body) + filled


def refuse_unclear_columns(headings: list[str]) -> None:
    """Raise ValueError unless exactly one of the headings is that of the addresses."""
    _refuse_twice(headings, headings[recognised(headings)["email"]])


def refuse_unknown_fields(headings: list[str], text: str) -> None:
    """Raise ValueError for a field of a text that matches no column, or several."""
    known = {*map(_key, headings), *recognised(headings)}
    for field in FIELD.findall(text):
        _refuse_twice(headings, field)
        if _key(field) not in known:
            raise ValueError(f"No column is named {field!r}. There are: {', '.join(headings)}.")


def _refuse_twice(headings: list[str], field: str) -> None:
    count = sum(_key(heading) == _key(field) for heading in headings)
    if count > 1:
        raise ValueError(f"{count} columns are named {field!r}: rename all but one.")


def _key(heading: str) -> str:
    return heading.strip().lower()

"""CSV files that would fill a worker's memory, or make one email of a few bytes enormous."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.csv_files import MAX_ROW, read_rows, survey
from app.mailing import MAX_CHARS, Mailing
from headway import Upload

pytestmark = pytest.mark.usefixtures("in_app")

ROW = "ada@example.com,Ada\n"
MAX_MEMORY = 25_000_000  # bytes beside the file itself


def upload(text: str) -> Upload:
    return Upload("0" * 32, "people.csv", opener=lambda: io.BytesIO(text.encode()))


@pytest.fixture
def in_app(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


BOMBS = {
    "many rows": "Email,Name\n" + "a@example.com,\n" * 100_000,
    "many rows without an address": "Email\n" + "x\n" * 200_000,
    "many columns": "Email" + "," * 3_000_000 + "\n",
    "many cells in a row": "Email,Name\na@example.com" + "," * 3_000_000 + "\n",
    "a row of many lines": "Email,Name\n" + '"\n",' * 700_000 + "\n",
    "a cell without an end": 'Email,Name\n"' + "x" * 3_000_000,
    "a line without an end": "x" * 3_000_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_file_fills_the_memory_of_a_worker(bomb: str):
    text = BOMBS[bomb]
    source = Upload("0" * 32, "people.csv", opener=lambda: io.BytesIO(data))
    data = text.encode()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"rows|columns|too long|not CSV|larger than"):
            Mailing(source, "Hi", "Hello")
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert grown - len(data) < MAX_MEMORY


@pytest.mark.parametrize(
    ("subject", "body"), [("{Name}" * 2000, ""), ("", "{Name}" * 2000), ("Hi", "x" * 200_000)]
)
def test_a_row_that_would_make_an_email_enormous_gets_none(subject: str, body: str):
    text = f"Email,Name\na@example.com,{'n' * 1000}\nb@example.com,Bob\n"
    if "{" not in body + subject:
        with pytest.raises(ValueError, match="No row"):
            Mailing(upload(text), subject, body)
        return

    mailing = Mailing(upload(text), subject, body)

    assert [each.email for each in mailing.recipients] == ["b@example.com"]
    [left_out] = mailing.left_out
    assert f"{MAX_CHARS:,} characters" in left_out.why


@pytest.mark.parametrize(
    "name",
    [
        "Ada\r\nBcc: eve@example.com",
        "Ada\nSubject: other",
        "\x00",
        "\u2028Bcc: eve@example.com",
        "=?utf-8?q?=0ABcc:?=",
        "{Email}",
        "{__class__}",
    ],
)
def test_no_field_adds_a_header_or_is_filled_twice(name: str):
    text = f'Email,Name\na@example.com,"{name}"\n'

    [recipient] = (mailing := Mailing(upload(text), "Hi {Name}", "")).recipients
    subject, _ = mailing.text_for(recipient)

    assert subject.isprintable()
    assert subject.startswith("Hi")
    assert "a@example.com" not in subject


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com\r\nBcc: eve@example.com",
        "a@example.com,eve@example.com",
        "a@example.com;eve@example.com",
        "Ada <a@example.com>",
        "a@example.com\x00",
        "@example.com",
        "=a@example.com\t",
        "a@[127.0.0.1]",
        "a@example.com>\nDATA",
        "a" * 300 + "@example.com",
    ],
)
def test_no_cell_is_two_addresses_or_a_command(address: str):
    text = f'Email,Name\n"{address}",Eve\nb@example.com,Bob\n'

    mailing = Mailing(upload(text), "Hi", "")

    sent_to = {each.email for each in mailing.recipients} - {"b@example.com"}
    assert all(one == address.strip() and one.count("@") == 1 for one in sent_to)


def test_a_long_row_within_the_bound_is_read():
    text = "Email,Name\n" + "a" * (MAX_ROW - 40) + ",Ada\n" + ROW
    found: list[Any] = [*read_rows(upload(text))]

    assert len(found) == 3
    assert survey(upload(text)) == (["Email", "Name"], 2)

"""Emails that are made to be costly or impossible to read: the inbox shows what it can of each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

NAME = "1764000000.M1P1Q1.host"
TO = "To: "


def nested(levels: int) -> str:
    """Return a message with parts within parts."""
    parts = [f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(levels)]
    return f"Subject: x\n{''.join(parts)}Content-Type: text/plain\n\nx"


MESSAGES = {
    "parts within parts": nested(4_000),
    "messages within messages": "Subject: x\n" + "Content-Type: message/rfc822\n\n" * 8_000,
    "comments within comments": TO + "(" * 200_000,
    "groups within groups": TO + "a:" * 100_000,
    "routes": TO + "<@a," * 50_000,
    "a quotation that does not end": TO + '"' * 200_001,
    "a domain that does not end": TO + "a@" + "[" * 200_000,
    "many recipients": TO + ", ".join(f"a{n}@example.com" for n in range(10_000)),
    "many encoded words": "Subject: " + "=?utf-8?q?a?= " * 18_000,
    "many headers": "X: y\n" * 50_000,
    "parameters in pieces": "Content-Type: text/plain; "
    + "; ".join(f"name*{n}=x" for n in range(15_000)),
    "an invalid charset": "Content-Type: text/plain; charset*=evil'x'%ff%fe",
    "a charset that compresses": "Content-Type: text/plain; charset=zlib",
    "a charset with half characters": "Content-Type: text/plain; charset=unicode_escape\n\n\\ud800",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_whatever_a_message_is_the_inbox_is_shown(
    app: Flask, client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, message: str
):
    monkeypatch.setitem(app.config, "MAIL_INBOX", tmp_path)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / NAME).write_text(f"{MESSAGES[message]}\n\nx")

    begun = time.thread_time()
    answers = [client.get(path) for path in ("/inbox", "/inbox.json", f"/inbox/{NAME}")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert time.thread_time() - begun < 10  # of the processor; many words took 26 s of it
    assert all(len(answer.data) < 300_000 for answer in answers)


def test_of_a_message_that_cannot_be_read_the_headers_are_shown(
    app: Flask, client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(app.config, "MAIL_INBOX", tmp_path)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / NAME).write_text(f"To: ada@example.com\n{nested(4_000)}")

    [shown] = client.get("/inbox.json").get_json()["messages"]

    assert (shown["subject"], shown["to"], shown["text"]) == ("x", ["ada@example.com"], "")

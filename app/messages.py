"""Builds the messages that are sent."""

from __future__ import annotations

import re
import unicodedata
from email.charset import QP, Charset
from email.utils import formataddr, parseaddr

from flask import current_app
from flask_mail import Message

from app import mailbox

MAX_TEXT = 300  # characters of a subject or of a server's text
# Quoted-printable, so that a body may have any character and lines of any length: SMTP allows lines
# of 998 7-bit bytes.
BODY_CHARSET = Charset("utf-8")
BODY_CHARSET.body_encoding = QP


def make_message(task_id: str, to: str, subject: str, body: str) -> Message:
    """Return a task's message.

    Its Message-ID is made from the task's id, so that a second copy can be recognised.
    """
    message = Message(subject=one_line(subject), recipients=[to], body=body)
    message.charset = BODY_CHARSET  # type: ignore[assignment]  # passed on to MIMEText and Header, which take it
    message.msgId = message_id(task_id)
    return message


def message_id(task_id: str) -> str:
    """Return `<task_id@domain>`, with the domain of MAIL_DEFAULT_SENDER."""
    _, address = parseaddr(current_app.config["MAIL_DEFAULT_SENDER"])
    domain = address.partition("@")[2]
    return f"<{task_id}@{domain if re.fullmatch(r'[A-Za-z0-9.-]+', domain) else 'headway.invalid'}>"


def normalized_sender(sender: str | tuple[str, str]) -> str:
    try:
        return mailbox.normalize(sender if isinstance(sender, str) else formataddr(sender))
    except mailbox.BadMailbox as error:
        raise ValueError(f"A message's sender {error}.") from None


def one_line(text: str) -> str:
    """Return `text` as one line without control characters, of at most MAX_TEXT characters.

    Flask-Mail lets some characters pass at which the standard library's generator ends a header,
    such as a vertical tab.
    """
    visible = (
        " " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text
    )
    line = " ".join("".join(visible).split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"

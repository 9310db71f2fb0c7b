"""Parses mailboxes strictly and writes them in one form that every library reads alike.

A mailbox is `ada@example.com` or `Ada <ada@example.com>`. The standard library's `parseaddr` makes
`Doe` of `Doe, John <john@example.com>`.
"""

from __future__ import annotations

import re

from email_validator import EmailNotValidError, validate_email

WRITE = (
    "must be one address, as ada@example.com or Ada <ada@example.com>; "
    'a name with a comma or the like stands in quotes, as "Doe, John" <john@example.com>'
)
BRACKETED = re.compile(r"(?P<name>[^<>]*?) *<(?P<address>[^<>]*)>\Z")
QUOTED = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"\Z')
ATOMS = re.compile(r'[^"\\()<>\[\]:;@,]*\Z')


class BadMailbox(ValueError):
    """A text that is not one mailbox.

    The message continues a sentence that begins with the setting's name, and says what to write.
    """


def normalize(text: str) -> str:
    """Return a mailbox with its name in quotes and its address in ASCII. Raises BadMailbox."""
    if not text.isprintable():
        raise BadMailbox(WRITE)
    text = text.strip()
    bracketed = BRACKETED.match(text)
    name = _name(bracketed["name"]) if bracketed else ""
    address = _address(bracketed["address"] if bracketed else text)
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}" <{address}>' if name else address


def _name(text: str) -> str:
    quoted = QUOTED.match(text)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted["text"])
    if not ATOMS.match(text):
        raise BadMailbox(WRITE)
    return text


def _address(text: str) -> str:
    try:
        address = validate_email(
            text,
            # Flask-Mail would send as another mailbox: it encodes such a local part as if it were
            # header text.
            allow_smtputf8=False,
            check_deliverability=False,
            test_environment=True,
            globally_deliverable=False,
        ).ascii_email
    except EmailNotValidError:
        raise BadMailbox(WRITE) from None
    if not address:
        raise BadMailbox(WRITE)
    return address

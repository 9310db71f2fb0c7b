"""Finds credentials in a text by what stands before them: `://user:`, `password=`, a header's name.

Unlike the secrets of the settings, these need not be known. Each pattern begins with a character
that is rare and looks back for the name: one that began with a word would be tried at each letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headway import tokens

MASK = "***"
MIN_TOKEN_CHARS = 8  # a shorter one is a word of a text that is counted or read
NAMES = (
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secret_key",
    "access_key",
    "api_key",
    "apikey",
    "access_token",
    "refresh_token",
)

# `name=value`, or as JSON and `repr` show it: `"name": "value"`.
NAMED = "|".join(rf"""(?<={name}[="'])""" for name in NAMES)
PAIR = rf"""(?i:[="'](?:{NAMED})(?:(?<==)|\s?:\s?))"""
HEADER = r"""(?i:[:"'](?<=authorization.)\s?:?\s?["']?(?:basic|bearer)\s)"""
TOKEN = r"(?i:=(?<=token=)(?<![a-z0-9_]token=))"  # `eos_token=` is no credential
URL = r"://"
ENCODED_URL = r"(?i:%3a%2f%2f)"  # of a URL that is a parameter of another one

QUOTED = r"""(?P<quote>["'])(?:(?!(?P=quote))[^\n])*"""
PLAIN_CHAR = r"""[^\s&;"'<>]"""
PLAIN = f"{PLAIN_CHAR}*"
LAST = r"""[^\s&;"'<>,.)\]}]"""  # what may end a value, and not the sentence that it stands in
USERINFO = r"[^\s/]*"  # up to the last @ before a slash or a space: a password may hold one itself
ENCODED_USERINFO = r"(?:(?!%2[fF])[^\s/&])*"

CREDENTIALS = [
    re.compile(rf"({before}){value}")
    for before, value in (
        (URL, rf"{USERINFO}(?=@)"),
        (ENCODED_URL, rf"{ENCODED_USERINFO}(?=%40)"),
        (PAIR, rf"(?:{QUOTED}|{PLAIN}{LAST})"),
        (HEADER, rf"{PLAIN}{LAST}"),
        (TOKEN, rf"(?={PLAIN_CHAR}{{{MIN_TOKEN_CHARS}}}){PLAIN}{LAST}"),
    )
]
# A URL that was cut: its @ may be in what is gone.
CUT_URL = re.compile(rf"({URL}(?={USERINFO}\Z)|{ENCODED_URL}(?={ENCODED_USERINFO}\Z)).*\Z")

# What may become a credential, at the end of a text that goes on: `pass`, `password=hun`.
MARKS = sorted(
    [URL, "%3a%2f%2f"]
    + [f"{name}{end}" for name in (*NAMES, "token", "authorization") for end in "=:\"'"],
    key=len,
    reverse=True,
)
BEGINNINGS = frozenset(mark[:size] for mark in MARKS for size in range(1, len(mark) + 1))
OPEN = re.compile(
    rf"(?:{URL}{USERINFO}|{ENCODED_URL}{ENCODED_USERINFO}|{PAIR}(?:{QUOTED}|{PLAIN})|{TOKEN}{PLAIN}"
    r"""|(?i:[:"'](?<=authorization.))[^\n]*)\Z"""
)
MAX_OPEN_CHARS = 4096

# One of these is in each text that holds a credential, even if its quotes are escaped.
HINTS = (tokens.PREFIX, URL, "%3a%2f%2f", *NAMES, "token", "authorization")


def without_credentials(text: str) -> str:
    """Return a text with `***` in the place of each credential."""
    for pattern in CREDENTIALS:
        text = pattern.sub(_masked, text)
    return text


def may_hold_credentials(text: str | bytes) -> bool:
    """Whether a text, which may be encoded as JSON, is worth a search for credentials."""
    lower = (text if isinstance(text, str) else text.decode("utf-8", "replace")).lower()
    return any(hint in lower for hint in HINTS)


def _masked(found: re.Match[str]) -> str:
    return f"{found[1]}{found.groupdict().get('quote') or ''}{MASK}"


def open_start(text: str) -> int:
    """Return where the mark begins of a credential that may go on beyond the end of a text."""
    found = OPEN.search(text, max(0, len(text) - MAX_OPEN_CHARS))
    return _mark_start(found) if found else len(text)


def begun_mark(text: str) -> str:
    """Return the end of a text that may begin a mark, by which what follows is a credential."""
    starts = range(max(0, len(text) - len(MARKS[0])), len(text))
    return next((text[start:] for start in starts if text[start:].lower() in BEGINNINGS), "")


def starts_across(text: str, end: int) -> Iterator[int]:
    """Yield where the credentials begin that a cut at `end` would part."""
    for pattern in CREDENTIALS:
        for found in pattern.finditer(text, max(0, end - MAX_OPEN_CHARS)):
            if _mark_start(found) < end < found.end():
                yield _mark_start(found)


def _mark_start(found: re.Match[str]) -> int:
    """Return where the name begins that a pattern has looked back for."""
    if found[0].startswith(("://", "%")):
        return found.start()
    upto = found.string[: found.start() + 1][-len(MARKS[0]) :].lower()
    return found.start() + 1 - next(len(mark) for mark in MARKS if upto.endswith(mark))

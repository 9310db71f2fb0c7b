"""Masks the secrets of the settings in any text that is logged, stored or shown."""

from __future__ import annotations

import base64
import html
import json
import logging
import quopri
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus, unquote
from weakref import WeakKeyDictionary

from headway import tokens
from headway.credentials import (
    CUT_URL,
    MASK,
    MAX_OPEN_CHARS,
    MIN_TOKEN_CHARS,
    begun_mark,
    open_start,
    starts_across,
    without_credentials,
)

MIN_FORM_CHARS = 4  # anything shorter is part of too many words
IN_URL = re.compile(r"://[^:@\s]*:(\S*)@")
# What may go on as a token.
OPEN_TOKEN = re.compile(r"h(?:w(?:t(?:_[\w.-]*)?)?)?\Z")

# The local part of an email address (at most 64 characters by RFC 5321), and, at the end of a text
# that goes on, what may become one.
LOCAL_PART = re.compile(r"[\w.!#$%&'+/=?^`{|}~-]{1,64}(?=@)")
OPEN_LOCAL_PART = re.compile(r"[\w.!#$%&'+/=?^`{|}~-]{1,64}\Z")


class Process:
    """Holds the secrets that belong to no one app."""


# By holder and source, secrets in all their forms.
_known: WeakKeyDictionary[object, dict[str, frozenset[str]]] = WeakKeyDictionary()
_forms: tuple[str, ...] = ()  # the same together, the longest first
NOTHING = re.compile(rb"(?!)")
# Any of them, encoded: one search of each report, as thirty for bytes take four times as long.
_encoded = NOTHING
_beginnings: frozenset[str] = frozenset()  # of all forms
_hides_addresses = False


def set_secrets(source: str, secrets: Iterable[str], holder: object = None) -> None:
    """Mask these secrets from now on, instead of those given before for this source.

    With a `holder`, an app whose secrets they are, instead of those of this app alone, and for as
    long as it lives: of two apps in a process each keeps its own.
    """
    global _forms, _encoded, _beginnings
    held = _known.setdefault(Process if holder is None else holder, {})
    held[source] = frozenset(
        form for secret in secrets if len(secret) >= MIN_FORM_CHARS for form in forms(secret)
    )
    known = {form for each in _known.values() for found in each.values() for form in found}
    _forms = tuple(sorted(known, key=len, reverse=True))
    encoded = [re.escape(form.encode(errors="surrogateescape")) for form in _forms]
    _encoded = re.compile(b"|".join(encoded)) if encoded else NOTHING
    _beginnings = frozenset(form[:size] for form in _forms for size in range(1, len(form)))


def mask_addresses(on: bool = True) -> None:
    """Mask email addresses too, or no longer, in logs, tracebacks and the texts of tasks.

    Texts are titles, statuses, errors, questions, log lines and streams: what stands before the @
    becomes `***`. Arguments and results, which tasks work with, stay as they are.
    """
    global _hides_addresses
    _hides_addresses = on


def without_addresses(text: str) -> str:
    """Return a text with email addresses masked, if they are to be."""
    return LOCAL_PART.sub(MASK, text) if _hides_addresses and "@" in text else text


def passwords_in(urls: str) -> list[str]:
    """Return the passwords in URLs separated by ";", each as it is written and decoded."""
    found = [password for url in urls.split(";") for password in IN_URL.findall(url)]
    return [*found, *map(unquote, found)]


def forms(secret: str, username: str = "") -> list[str]:
    """Return a secret in each form in which a library may show it, the longest first.

    `username` is the user name that is sent with it in AUTH PLAIN.
    """
    if not secret:
        return []
    raw = secret.encode(errors="surrogateescape")
    plain = f"\0{username}\0{secret}".encode(errors="surrogateescape")
    percent = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    quoted = {
        secret,
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(raw)[2:-1],
        json.dumps(secret)[1:-1],
    }
    quoted |= {json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)}
    found = quoted | {json.dumps(form, ensure_ascii=False)[1:-1] for form in quoted}  # quoted twice
    found |= percent | {re.sub("%..", lambda code: code[0].lower(), form) for form in percent}
    found |= {raw.hex(), raw.hex().upper()}
    found |= {base64.b64encode(raw).decode(), base64.b64encode(plain).decode()}
    found |= {
        quopri.encodestring(raw, header=header).decode().replace("=\n", "")
        for header in (False, True)
    }
    found |= {form for form in _inner_base64(raw) if len(form) >= 2 * MIN_FORM_CHARS}
    return sorted(
        (form for form in found if len(form) >= MIN_FORM_CHARS or form == secret),
        key=len,
        reverse=True,
    )


def _inner_base64(raw: bytes) -> Iterator[str]:
    """Yield the base64 forms of these bytes at any offset within longer data."""
    for before in range(3):
        whole = (before + len(raw)) * 8 // 6
        text = base64.b64encode(b"\0" * before + raw).decode()[-(-before * 8 // 6) : whole]
        yield from {text, text.replace("+", "-").replace("/", "_")}


def without_secret(text: str, secret: str, username: str = "") -> str:
    """Return a text with a secret masked, in each form in which a library may show it.

    `username` is the user name that is sent with it in AUTH PLAIN.
    """
    for form in forms(secret, username):
        text = text.replace(form, MASK)
    return text


def mask(text: str) -> str:
    """Mask the secrets, other credentials and, if so set, email addresses.

    Credentials are `user:password@` in any URL, `password=...` and the like, tokens, and what
    follows `Authorization: Basic` or `Bearer`.
    """
    return without_addresses(_without_secrets(text))


def _without_secrets(text: str) -> str:
    text = without_credentials(text)
    if tokens.PREFIX in text:
        text = tokens.TOKEN.sub(MASK, text)
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def head(text: str, limit: int) -> str:
    """Return at most the first `limit` characters of a text, secrets masked before the cut.

    So no part of a secret is left at the end.
    """
    margin = max(MIN_TOKEN_CHARS, len(_forms[0]) if _forms else 0)
    known = mask(text[: limit + margin])
    if len(text) > limit + margin:
        limit = min(limit, max(0, len(known) - margin))  # a secret may have been cut there
    return CUT_URL.sub(r"\1", known[:limit])


class MaskedStream:
    """Masks a text that comes in pieces, whichever way they part a secret.

    `held_back` is the end of what has come that may turn out to be a secret's beginning. What only
    leads to one, as `password=` does, is no secret and is not held back.
    """

    def __init__(self, held_back: str = "", mark: str = "") -> None:
        self.held_back = held_back
        self.mark = mark  # the end of what is shown, by which what follows may be a credential

    def feed(self, piece: str, *, is_last: bool) -> str:
        """Return what can be shown by now, masked."""
        text = self.mark + self.held_back + piece
        end = len(text) if is_last else max(len(self.mark), closed_end(text))
        shown = mask(text[:end]).removeprefix(self.mark)
        self.held_back = text[end:]
        self.mark = begun_mark(text[:end])
        return shown


def closed_end(text: str) -> int:
    """Return where the end of a text begins that may turn out to be a secret's beginning.

    What comes before it can be masked by itself, whatever follows the text.
    """
    tail = text[-MAX_OPEN_CHARS:]
    end = open_start(text)
    if token := OPEN_TOKEN.search(tail):
        end = min(end, len(text) - len(token[0]))
    if _hides_addresses and (address := OPEN_LOCAL_PART.search(tail)):
        end = min(end, len(text) - len(address[0]))
    longest = len(_forms[0]) if _forms else 0
    for start in range(max(0, len(text) - longest), end):
        if text[start:] in _beginnings:
            end = start
            break
    while end < len(text) and (starts := list(_starts_across(text, end))):
        end = min(starts)
    return end


def _starts_across(text: str, end: int) -> Iterator[int]:
    """Yield where the secrets begin that are whole in a text and that a cut at `end` would part."""
    for form in _forms:
        start = text.find(form, max(0, end - len(form) + 1), end + len(form) - 1)
        if start >= 0:
            yield start
    for found in tokens.TOKEN.finditer(text, max(0, end - MAX_OPEN_CHARS)):
        if found.start() < end < found.end():
            yield found.start()
    yield from starts_across(text, end)


def holds_secret(text: str | bytes) -> bool:
    """Whether a text holds a secret of the settings."""
    if isinstance(text, str):
        return any(form in text for form in _forms)
    return _encoded.search(text) is not None


def masked(value: Any) -> Any:
    """Return a value with the secrets masked in all texts that it holds."""
    if isinstance(value, str):
        return _without_secrets(value)
    if isinstance(value, Mapping):
        return {masked(key): masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in value]
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    known = _without_secrets(text)
    return value if known == text else known


class MaskedRecord(logging.LogRecord):
    """A log record with the secrets masked in its message and its traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = mask("".join(traceback.format_exception(*self.exc_info))).rstrip()

    def getMessage(self) -> str:
        return mask(super().getMessage())


class TokensHidden(logging.Filter):
    """Masks tokens in log records, also in a process without `guard_process`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the tokens in a record's text; return True, since every record is logged."""
        text = record.getMessage()
        if tokens.PREFIX in text:
            record.msg = tokens.TOKEN.sub(MASK, text)
            record.args = ()
        return True


def hide_tokens(*names: str) -> None:
    """Mask tokens in what these loggers write."""
    for logger in map(logging.getLogger, names):
        if not any(isinstance(known, TokensHidden) for known in logger.filters):
            logger.addFilter(TokensHidden())


def guard_process() -> None:
    """Mask secrets in this process's log records and in tracebacks of uncaught exceptions."""
    logging.setLogRecordFactory(MaskedRecord)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if not issubclass(kind, SystemExit) and sys.stderr is not None:
        sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))

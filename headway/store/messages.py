"""Messages kept in records, and what is shown of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from kombu.utils.json import loads

from headway.masking import head
from headway.message_headers import title_of
from headway.shapes import TaskMessage
from headway.snapshot import fragment, title_line

PARTS: Mapping[str, type] = {"task": str, "args": list, "kwargs": dict, "options": dict}
MAX_SEARCH_CHARS = 300  # of a task's arguments


def title_fragment(message: TaskMessage) -> str:
    """Return the title of a message's task as a JSON fragment: its own, or the task's name."""
    return fragment(title_line(title_of(message))) if title_of(message) else label(message["task"])


@lru_cache(1024)
def label(name: str) -> str:
    """Return a task's name, for which a sender may put any text, as a fragment for people."""
    return fragment(title_line(name))


def search_words(message: TaskMessage) -> str:
    """Return the texts and numbers among a message's arguments, by which its task is found.

    Secrets are masked; as within JSON, and cut to MAX_SEARCH_CHARS.
    """
    found = " ".join(_leaves([message.get("args") or [], message.get("kwargs") or {}]))
    return fragment(head(found, MAX_SEARCH_CHARS))[1:-1]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str | int | float):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)


def decoded(text: str) -> TaskMessage:
    """Return a kept message; {} if it cannot be read."""
    with suppress(Exception):  # it may name types that only its sender knows
        message: TaskMessage = loads(text)
        return message if _is_message(message) else {}
    return {}


def _is_message(message: Any) -> bool:
    """Whether each part of a message that is there has the type that it is read as."""
    return isinstance(message, dict) and all(
        isinstance(message.get(name, kind()), kind) for name, kind in PARTS.items()
    )

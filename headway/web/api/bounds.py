"""Bounds of what requests hold: each is checked, and stands in the OpenAPI document.

A bound stands once, in the annotation of its value: `Annotated[float, Within(0, 60)]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from headway.arguments.json_schema import Schema
from headway.snapshot import is_number


@runtime_checkable
class Bound(Protocol):
    """What an annotation says of a value beyond its type."""

    @property
    def schema(self) -> Schema:
        """The bound as JSON Schema."""


@dataclass(frozen=True)
class Within:
    """A number from `least` to `most`."""

    least: float
    most: float

    @property
    def schema(self) -> Schema:
        return {"minimum": self.least, "maximum": self.most}

    def takes(self, value: Any) -> bool:
        """Whether a value is such a number."""
        return is_number(value) and self.least <= value <= self.most

    def __str__(self) -> str:
        return f"from {self.least:.0f} to {self.most:.0f}"


@dataclass(frozen=True)
class Chars:
    """A text of at most so many characters."""

    most: int

    @property
    def schema(self) -> Schema:
        return {"maxLength": self.most}


@dataclass(frozen=True)
class Items:
    """A list of so many items."""

    least: int
    most: int

    @property
    def schema(self) -> Schema:
        return {"minItems": self.least, "maxItems": self.most}

    def takes(self, items: Sequence[Any]) -> bool:
        """Whether a list is so long."""
        return self.least <= len(items) <= self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most}"


@dataclass(frozen=True)
class Matching:
    """A text that a regular expression matches as a whole; it is no choice (`a|b`)."""

    pattern: re.Pattern[str]

    @property
    def schema(self) -> Schema:
        # JavaScript's expressions, which JSON Schema has, know no \Z.
        text = self.pattern.pattern.removesuffix(r"\Z").replace(r"\Z", "$")
        return {"pattern": f"^{text}$"}


class AtMostOne:
    """An object in which at most one of two members has another value than these."""

    def __init__(self, **absent: Any) -> None:
        self._absent = absent

    @property
    def schema(self) -> Schema:
        members = self._absent.items()
        return {"anyOf": [{"properties": {name: {"const": value}}} for name, value in members]}

    def takes(self, body: dict[str, Any]) -> bool:
        """Whether an object is so."""
        given = [name for name, value in self._absent.items() if body.get(name, value) != value]
        return len(given) < 2


class AtLeastOne:
    """An object in which at least one of these members is there, and not null."""

    def __init__(self, *names: str) -> None:
        self._names = names

    @property
    def schema(self) -> Schema:
        there = {"not": {"type": "null"}}
        return {
            "anyOf": [{"required": [name], "properties": {name: there}} for name in self._names]
        }

    def takes(self, body: dict[str, Any]) -> bool:
        """Whether an object is so."""
        return any(body.get(name) is not None for name in self._names)


def bounds_of(hint: Any) -> list[Bound]:
    """Return the bounds in an annotation."""
    return [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Bound)]

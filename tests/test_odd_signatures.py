"""Signatures that say less than they mean: defaults of None, moments without a zone, options."""
# ruff: noqa: RUF013  # people write defaults of None so

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, Flag
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from headway.arguments.form import filled, read_form
from headway.arguments.signatures import BadArguments, converting, signature_of
from headway.registry import TaskType


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Address:
    street: str
    colour: Colour = None


def none_by_default(
    colour: Colour = None,
    flag: bool = None,
    word: Literal["x", "y"] = None,
    number: int = None,
    text: str = None,
    many: list[int] = None,
    where: Address = None,
) -> list[Any]:
    return [colour, flag, word, number, text, many, where]


def started(function: Any, sent: dict[str, Any]) -> Any:
    """Return what a function returns that is started with these arguments, as JSON."""
    return converting(function)(**signature_of(function, globals()).validate(sent))


def untouched(function: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return what a form sends as it is shown with these values."""
    asked = signature_of(function, globals()).asked
    return read_form(asked, filled(asked, values))


@pytest.mark.parametrize("values", [{}, dict.fromkeys(("colour", "number", "many", "where"))])
def test_a_default_of_none_is_what_a_form_sends_that_nobody_touched(values: dict[str, Any]):
    assert started(none_by_default, untouched(none_by_default, values)) == [None] * 7


def test_arguments_are_kept_in_the_order_of_the_signature():
    def order(who: str, /, count: int, careful: bool = False, *, day: str, **more: str) -> None: ...

    sent = {"more": "x", "day": "2026-12-24", "count": 3, "who": "Ada"}

    assert list(signature_of(order, globals()).validate(sent)) == [
        "who",
        "count",
        "careful",
        "day",
        "more",
    ]


def test_such_an_argument_takes_its_type_too():
    sent = {"colour": "blue", "number": 5, "where": {"street": "Elm"}}

    assert started(none_by_default, sent)[0] == Colour.BLUE
    assert started(none_by_default, sent)[6] == Address("Elm")
    with pytest.raises(BadArguments):
        started(none_by_default, {"number": "five"})


def test_a_default_without_a_zone_is_left_to_the_function():
    new_year = datetime(2026, 1, 1)

    def at(when: datetime = new_year) -> datetime:
        return when

    assert started(at, untouched(at, {})) == new_year


class Named(BaseModel):
    first: str = Field(default="Ada", validation_alias="firstName")
    last: str = Field(default="Lovelace", alias="lastName")
    told: str = Field(default="yes", serialization_alias="is_told")


class Owner(BaseModel):
    named: Named = Field(default=Named(), alias="name")


@pytest.mark.parametrize("owner", [{}, {"name": {"firstName": "Bob", "lastName": "Lee"}}])
def test_a_model_is_asked_for_by_the_names_that_it_takes(owner: dict[str, Any]):
    def greet(owner: Owner = Owner()) -> Owner:  # noqa: B008
        return owner

    sent = {"owner": owner} if owner else {}

    assert started(greet, untouched(greet, sent)) == Owner(**owner)
    with pytest.raises(BadArguments, match="No such argument"):
        started(greet, {"owner": {"name": {"first": "Bob"}}})


class Right(Flag):
    READ = 1
    WRITE = 2


def test_a_default_of_several_flags_is_left_to_the_function():
    both = Right.READ | Right.WRITE

    def may(rights: Right = both) -> Right:
        return rights

    assert started(may, untouched(may, {})) == both


@pytest.mark.parametrize("again", ["a", "b", "rest", "kw"])
def test_what_options_repeat_is_refused(again: str):
    def function(a: int, /, b: int, *rest: int, kw: bool = True, **options: int) -> None: ...

    own = signature_of(function, globals())
    kind = TaskType("function", "Function", "celery", own.validate, own.call, own.asked)
    given = {"a": 1, "b": 2, "options": {"more": 3}}

    assert kind.merged(given) == {"a": 1, "b": 2, "more": 3}
    with pytest.raises(BadArguments, match=f"{again}: Is given twice."):
        kind.merged({**given, "options": {again: 4}})

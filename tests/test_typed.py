"""The types of arguments: what JSON fits them, what reaches the task, what a form makes of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import Enum, IntEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from headway import Email
from headway.arguments import controls
from headway.arguments.annotations import ABSENT
from headway.arguments.controls import control_of, read
from headway.arguments.form import fields_of, filled, read_form
from headway.arguments.signatures import BadArguments, converting, signature_of
from headway.arguments.typed import MAX_WRONG, wrong_with


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Corner(Enum):
    ORIGIN = (0, 0)


@dataclass
class Range:
    first: int
    last: int = 9
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("Must not end before it begins.")


class Customer(BaseModel):
    name: str = Field(description="As on the invoice")
    age: int = Field(default=18, ge=0)
    born: date | None = None


ADA = Email("ada@example.com")


def takes(
    colour: Colour,
    day: date,
    *days: date,
    level: Level = Level.LOW,
    corner: Corner = Corner.ORIGIN,
    at: datetime | None = None,
    alarm: time = time(8, 30),
    within: Range = Range(0),  # noqa: B008
    customer: Customer | None = None,
    mode: Literal["fast", 2] = "fast",
    share: float | None = None,
    names: list[str] = [],  # noqa: B006
    loud: bool | None = None,
    to: Email = ADA,
    extra: dict[str, list[int]] | None = None,
) -> dict[str, Any]:
    return {"colour": colour, "day": day, "days": days, "level": level, "corner": corner} | {
        "at": at,
        "alarm": alarm,
        "within": within,
        "customer": customer,
        "mode": mode,
        "share": share,
        "names": names,
        "loud": loud,
        "to": to,
        "extra": extra,
    }


NEEDED = {"colour": "red", "day": "2026-11-29"}


SIGNATURE = signature_of(takes, globals())
RUN = converting(takes)


def started(args: Any) -> Any:
    """Call the task as a worker does, with what a start has put into its message."""
    ordered, named = json.loads(json.dumps(SIGNATURE.call.split(SIGNATURE.validate(args))))
    return RUN(*ordered, **named)


CASES = [
    ("colour", "blue", Colour.BLUE),
    ("day", "2026-02-28", date(2026, 2, 28)),
    ("days", ["2026-02-28"], (date(2026, 2, 28),)),
    ("level", 2, Level.HIGH),
    ("corner", "ORIGIN", Corner.ORIGIN),
    ("at", "2026-11-22T08:00:00Z", datetime(2026, 11, 22, 8, tzinfo=UTC)),
    ("at", None, None),
    ("alarm", "14:30", time(14, 30)),
    ("within", {"first": 1, "last": 3, "tags": ["a", "b"]}, Range(1, 3, ["a", "b"])),
    ("within", {"first": 1}, Range(1)),
    ("customer", {"name": "Ada"}, Customer(name="Ada")),
    ("customer", {"name": "Ada", "born": "1815-12-10"}, Customer(name="Ada", born="1815-12-10")),
    ("customer", None, None),
    ("mode", 2, 2),
    ("share", 0.5, 0.5),
    ("share", 1, 1),
    ("share", None, None),
    ("names", ["a b", "c"], ["a b", "c"]),
    ("names", [], []),
    ("names", ["two\nlines", ""], ["two\nlines", ""]),
    ("loud", False, False),
    ("loud", None, None),
    ("to", "bob@example.com", "bob@example.com"),
    ("extra", {"x": [1]}, {"x": [1]}),
]


@pytest.mark.parametrize(("name", "given", "is_in_python"), CASES)
def test_the_task_gets_its_types(name: str, given: Any, is_in_python: Any):
    got = started({**NEEDED, name: given})[name]

    assert got == is_in_python
    assert type(got) is type(is_in_python) or name == "to"


@pytest.mark.parametrize(("name", "given", "_"), CASES)
def test_a_form_that_is_filled_sends_the_same(name: str, given: Any, _: Any):
    values = {**NEEDED, name: given}

    sent = read_form(SIGNATURE.asked, filled(SIGNATURE.asked, values))

    assert started(sent) == started(values)


def test_a_time_is_in_utc_in_its_control():
    [at] = [each for each in SIGNATURE.asked if each.name == "at"]

    assert filled([at], {"at": "2026-11-29T12:00:00+02:00"}) == {"args.at": "2026-11-29T10:00"}
    assert read_form([at], {"args.at": "2026-11-29T10:00"}) == {"at": "2026-11-29T10:00:00Z"}


@pytest.mark.parametrize(
    ("note", "text"),
    [("two\nlines", "two\nlines"), ("two\r\nlines", '"two\\r\\nlines"'), ("5\n", '"5\\n"')],
)
def test_a_text_that_a_line_would_change_has_room_for_it(note: str, text: str):
    def only(note: str) -> None: ...

    asked = signature_of(only, globals()).asked
    form = filled(asked, {"note": note})

    assert form == {"args.note:json": text}
    assert read_form(asked, form) == {"note": note}


def test_what_is_left_out_has_its_default():
    sent = read_form(SIGNATURE.asked, filled(SIGNATURE.asked, NEEDED))

    assert started(sent) == started(NEEDED) == takes(Colour.RED, date(2026, 11, 29))


def test_a_call_in_python_is_what_it_was():
    assert RUN(Colour.RED, date(2026, 1, 1), within=Range(2))["within"] == Range(2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"colour": "RED"}, {"colour": "Must be one of: red, blue."}),
        ({"day": "20261129"}, {"day": "Must be a date: 2026-11-29."}),
        *(
            ({"at": text}, {"at": "Must be a time with its zone: 2026-11-22T08:00:00Z."})
            for text in ("2026-11-22T08:00Z", "2026-W47-7T08:00:00Z", "2026-11-22T08:00:00+01")
        ),
        ({"day": "2026-02-30"}, {"day": "Must be a date: 2026-11-29."}),
        ({"day": 5}, {"day": "Must be a date: 2026-11-29."}),
        ({"days": ["x"]}, {"days.0": "Must be a date: 2026-11-29."}),
        ({"level": True}, {"level": "Must be one of: 1, 2."}),
        (
            {"at": "2026-11-22T08:00:00"},
            {"at": "Must be a time with its zone: 2026-11-22T08:00:00Z."},
        ),
        *(
            ({"alarm": text}, {"alarm": "Must be a time of day: 14:30."})
            for text in ("25:00", "14", "1430", "T14:30", "14:30\n", "14:30+24:00", "١٤:٣٠")
        ),
        ({"within": 5}, {"within": "Must be an object."}),
        ({"within": {}}, {"within.first": "Is missing."}),
        ({"within": {"first": 1, "x": 1}}, {"within.x": "No such argument."}),
        ({"within": {"first": "1"}}, {"within.first": "Must be a whole number."}),
        ({"within": {"first": 1, "tags": [2]}}, {"within.tags.0": "Must be text."}),
        ({"within": {"first": 10}}, {"within": "Must not end before it begins."}),
        ({"customer": {}}, {"customer.name": "Is missing."}),
        (
            {"customer": {"name": "Ada", "age": -1}},
            {"customer.age": "Input should be greater than or equal to 0."},
        ),
        ({"to": "ada"}, {"to": "Must be an email address: ada@example.com."}),
        ({"to": "ada@"}, {"to": "Must be an email address: ada@example.com."}),
        ({"to": "ada@example.com\n"}, {"to": "Must be an email address: ada@example.com."}),
        ({"extra": {"x": ["1"]}}, {"extra.x.0": "Must be a whole number."}),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(wrong: Any, says: Any):
    with pytest.raises(BadArguments) as refused:
        SIGNATURE.validate({**NEEDED, **wrong})

    assert refused.value.fields == says


def test_each_type_has_its_control():
    fields = {each.label: each for each in fields_of(SIGNATURE.asked, {}, {})}

    assert {label: each.control for label, each in fields.items()} == {
        "Colour": "select",
        "Day": "date",
        "Days": "lines",
        "Level": "select",
        "Corner": "select",
        "At": "datetime-local",
        "Alarm": "time",
        "Within": "group",
        "Customer": "group",
        "Mode": "select",
        "Share": "decimal",
        "Names": "lines",
        "Loud": "select",
        "To": "email",
        "Extra": "json",
    }
    assert fields["Colour"].options == [("", "Choose…"), ("red", "red"), ("blue", "blue")]
    assert fields["Level"].options == [("1", "1"), ("2", "2")]
    assert SIGNATURE.asked[-2].default == "ada@example.com"
    assert fields["Loud"].options == [("", "None"), ("true", "Yes"), ("false", "No")]
    assert [each.name for each in fields["Within"].fields][:2] == [
        "args.within.first",
        "args.within.last",
    ]


def test_a_group_shows_the_defaults_of_its_members():
    def only(within: Range, loud: bool = True) -> None: ...

    asked = signature_of(only, globals()).asked

    assert filled(asked, {}) == {
        "args.within.last": "9",
        "args.within.tags": "",
        "args.loud": "on",
    }


@dataclass
class Node:
    name: str
    following: Node | None = None


@dataclass
class Chain:
    first: Node | None = None
    length: int = 1


def test_an_optional_group_is_none_until_something_is_entered():
    def only(chain: Chain | None = None, customer: Customer | None = None) -> None: ...

    asked = signature_of(only, globals()).asked
    form = filled(asked, {})
    chain, customer = fields_of(asked, form, {})

    assert (chain.control, chain.is_required, chain.help) == (
        "group",
        False,
        "Left as it is: none.",
    )
    assert [each.control for each in chain.fields] == ["json", "number"]  # a Node holds Nodes
    assert form == {"args.chain.length": "1", "args.customer.age": "18"}
    untouched = {each.name: each.text for group in (chain, customer) for each in group.fields}
    cleared = dict.fromkeys(untouched, "")
    for nothing in (untouched, cleared):
        assert read_form(asked, nothing) == {"chain": None, "customer": None}
    assert read_form(asked, {}) == {}
    entered = read_form(asked, {**untouched, "args.customer.name": "Ada"})
    assert entered["customer"] == {"name": "Ada", "age": 18, "born": None}
    for value in ({"length": 1}, {}):  # the defaults alone look like none
        assert read_form(asked, filled(asked, {"chain": value})) == {
            "chain": value,
            "customer": None,
        }


def test_what_is_wrong_within_a_field_stands_at_it():
    form = {"args.days": "2026-01-01\r\nx", "args.within.first": "y", "args.at": "soon"}
    with pytest.raises(BadArguments) as refused:
        SIGNATURE.validate(read_form(SIGNATURE.asked, form))

    fields = {each.label: each for each in fields_of(SIGNATURE.asked, form, refused.value.fields)}

    assert fields["Days"].error == "Item 2: Must be a date: 2026-11-29."
    assert fields["Days"].text == "2026-01-01\nx"
    assert fields["Within"].fields[0].error == "Must be a whole number."
    assert fields["Within"].first_wrong() == "args.within.first"
    assert (fields["At"].control, fields["At"].text) == ("text", "soon")  # a picker would lose it


def test_what_a_pydantic_model_describes_is_its_help():
    def only(customer: Customer) -> None: ...

    [group] = fields_of(signature_of(only, globals()).asked, {}, {})

    assert [each.help for each in group.fields] == ["As on the invoice", "", ""]


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "9" * 5000, "1,5", "0x10"])
def test_a_text_that_is_no_number_stays_as_it_was(text: str):
    sent = read_form(SIGNATURE.asked, {"args.share": text})

    assert sent["share"] == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), (" \n ", None), ("a", ["a"]), ("a\nb\n", ["a", "b"])],
)
def test_a_list_that_may_be_missing_is_written_one_a_line(text: str, value: list[str] | None):
    hint = list[str] | None

    assert control_of(hint) == "lines"
    assert read(text, hint, is_required=False) == value
    assert controls.shown(value, hint) == "\n".join(value or [])
    assert controls.shown([], hint) is None  # it would be sent as none


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_list_that_is_required_is_not_empty_in_a_form(text: str):
    assert read(text, list[str], is_required=True) is ABSENT
    assert read(text, list[str], is_required=False) == []


made: Counter[str] = Counter()


@dataclass
class Link:
    following: Link | None = None

    def __post_init__(self) -> None:
        made["link"] += 1


@dataclass
class Plus:
    left: Plus | Times | int
    right: Plus | Times | int

    def __post_init__(self) -> None:
        made["plus"] += 1
        raise ValueError("No sum is good.")


@dataclass
class Times(Plus):
    def __post_init__(self) -> None:
        made["times"] += 1


def test_a_record_within_others_is_made_once():
    def only(first: Link | None) -> None: ...

    chain: Any = None
    for _ in range(10):
        chain = {"following": chain}
    made.clear()

    signature_of(only, globals()).validate({"first": chain})

    assert made == {"link": 10}


def test_what_may_be_of_several_types_is_made_once_as_each():
    def only(sum: Plus | Times) -> None: ...

    formula: Any = 1
    for _ in range(6):
        formula = {"left": formula, "right": 1}
    made.clear()

    signature_of(only, globals()).validate({"sum": formula})

    assert made == {"plus": 6, "times": 6}


@pytest.mark.parametrize(
    ("value", "hint"),
    [(["x"] * 5000, list[int]), (dict.fromkeys(map(str, range(5000)), "x"), dict[str, int])],
)
def test_no_more_is_looked_at_once_so_much_is_wrong(value: Any, hint: Any):
    assert len(wrong_with(value, hint)) == MAX_WRONG

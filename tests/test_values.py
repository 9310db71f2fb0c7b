"""What a task reports, as numbers, text and JSON: shown, or left out, and nothing raises."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
import math
from typing import Any

import pytest
from kombu.utils.json import dumps

from headway.state_fields import progress_fields
from headway.values import MAX_ITEMS, as_json, as_number, as_text, clip


class IndexNumber:
    """As numpy's integers: no int, and has one."""

    def __index__(self) -> int:
        return 3


class FloatNumber:
    """As numpy's float32, or a tensor: no float, and has one."""

    def __float__(self) -> float:
        return 0.5


class ArrayOfOne:
    """As numpy's array of one float: its `__index__` is for integers."""

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __float__(self) -> float:
        return 2.5


class Array(ArrayOfOne):
    def __float__(self) -> float:
        raise TypeError("only length-1 arrays can be converted to Python scalars")

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array is ambiguous")

    def __eq__(self, other: object) -> Any:
        return self

    def __hash__(self) -> int:
        return 1

    def __str__(self) -> str:
        return "[1 2 3]"


class Float64(float):
    """As numpy's float64, which is a float."""

    def __repr__(self) -> str:
        return "np.float64(1.5)"


class bool_:  # numpy's name
    def __float__(self) -> float:
        return 1.0


class Lazy:
    """As Babel's and Django's lazy strings."""

    def __str__(self) -> str:
        return "gelesen"


class Broken:
    def __init__(self, error: type[Exception] = RuntimeError) -> None:
        self.error = error

    def __raise(self, *_: object) -> Any:
        raise self.error("no value")

    __str__ = __repr__ = __float__ = __index__ = __int__ = __bool__ = __eq__ = __len__ = __raise  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class Level(enum.IntEnum):
    HIGH = 3


NUMBERS = [
    (0, 0),
    (-4, -4),
    (2.5, 2.5),
    (Level.HIGH, 3),
    (IndexNumber(), 3),
    (FloatNumber(), 0.5),
    (ArrayOfOne(), 2.5),
    (Float64(1.5), 1.5),
    (decimal.Decimal("2.5"), 2.5),
    (decimal.Decimal(7), 7.0),
    (fractions.Fraction(1, 4), 0.25),
    (2**70, 2**70),
    ("12", 12),
    (" -2.5\n", -2.5),
]
NO_NUMBERS = [
    None,
    True,
    bool_(),
    "5 of 10",
    "1e3",
    "nan",
    "",
    "٣",
    "9" * 301,
    b"12",
    Lazy(),
    math.nan,
    math.inf,
    -math.inf,
    decimal.Decimal("NaN"),
    decimal.Decimal("Infinity"),
    10**400,
    decimal.Decimal("1e400"),
    1.7e308,
    complex(1, 2),
    [1],
    {"a": 1},
    object(),
    datetime.timedelta(1),
    Array(),
    Broken(),
    Broken(MemoryError),
    Broken(RecursionError),
]


@pytest.mark.parametrize(("value", "number"), NUMBERS, ids=lambda value: type(value).__name__)
def test_what_has_a_number_is_that_number_and_a_plain_one(value: object, number: float):
    found = as_number(value)

    assert (found, type(found) in (int, float)) == (number, True)
    assert json.loads(json.dumps(found)) == number


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_has_none_is_left_out(value: object):
    assert as_number(value) is None


def test_text_is_whatever_can_be_made_of_a_value():
    assert [as_text(value) for value in ("row", Lazy(), 3, Array())] == [
        "row",
        "gelesen",
        "3",
        "[1 2 3]",
    ]
    assert [as_text(value) for value in (None, Broken(), Broken(MemoryError))] == [None, None, None]


def test_long_text_is_cut_with_a_mark():
    assert clip("x" * 10, 10) == "x" * 10
    assert clip("x" * 11, 10) == "x" * 9 + "…"
    assert as_text("x" * 3_000_000, 100) == "x" * 99 + "…"


@pytest.mark.parametrize(
    "value", [value for value, _ in NUMBERS] + NO_NUMBERS, ids=lambda value: type(value).__name__
)
def test_any_value_wherever_it_lies_becomes_json_and_costs_none_of_its_neighbours(value: object):
    said = as_json(
        {"loss": 0.5, "odd": value, "deep": [{"odd": value, "b": 2}], "tuple": (value, 1)}
    )

    assert json.loads(dumps(said)) == said
    assert json.dumps(said, allow_nan=False)
    assert (said["loss"], said["deep"][0]["b"], said["tuple"][1]) == (0.5, 2, 1)


def test_keys_that_are_no_text_become_it_or_go():
    assert as_json({3: "a", None: "b", IndexNumber: "c"}).keys() >= {"3"}
    assert as_json({"a": {1, 2}, "b": 4}) == {"a": [1, 2], "b": 4}


def test_what_holds_itself_and_what_has_no_end_is_cut():
    loop: list[Any] = []
    loop.append(loop)
    wide = {str(number): loop for number in range(10)}
    loop.extend([wide] * 10)

    assert len(json.dumps(as_json(loop))) < 100 * MAX_ITEMS
    endless = as_json(list(range(10_000_000)))
    assert (len(endless), endless[-1]) == (MAX_ITEMS, "…")


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("key", ["current", "total", "status", "description", "step"])
def test_a_report_with_an_odd_value_says_all_the_rest(key: str, value: object):
    meta = {"current": 3, "total": 5, "status": "rows", key: value}

    fields = progress_fields("PROGRESS", meta)

    said = {"current": 3, "total": 5, "status": "rows"}
    assert {name: fields.get(name, said[name]) for name in said if name != key} == {
        name: said[name] for name in said if name != key
    }
    json.dumps(fields, allow_nan=False)


@pytest.mark.parametrize(
    ("meta", "status"),
    [
        (
            {"pending": False, "current": 1, "total": 4, "percent": 25.0, "description": "Reading"},
            "Reading",
        ),
        ({"description": Lazy()}, "gelesen"),
        ({"status": "mine", "description": "theirs"}, "mine"),
        ({"status": None, "description": "theirs"}, "theirs"),
        ({"status": Broken(), "description": "theirs"}, "theirs"),
        ({"status": "", "description": "theirs"}, ""),
        ({"current": 1}, ""),
    ],
)
def test_a_description_is_the_status_as_celery_progress_has_it(meta: dict[str, Any], status: str):
    assert progress_fields("PROGRESS", meta)["status"] == status


@pytest.mark.parametrize("total", [0, 0.0, None])
def test_a_total_of_nothing_is_an_unknown_one_as_celery_progress_has_it(total: float | None):
    fields = progress_fields("PROGRESS", {"current": 3, "total": total, "description": "Reading"})

    assert (fields["current"], fields["total"]) == (3, None)

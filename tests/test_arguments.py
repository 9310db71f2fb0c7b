"""`POST /tasks` starts what can be started, whatever its function's signature, and says what
else is wrong.
"""

from __future__ import annotations

import inspect
import json
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pytest

from headway.registry import TASK_TYPES, BadArguments, task
from headway.store.records import Records

if TYPE_CHECKING:
    from nowhere import Unknown


class Colour(StrEnum):
    RED = "red"


def plain(a: int): ...
def with_options(a: int, **options: Any): ...
def with_numbers(a: int, **options: int): ...
def with_rest(*rest: int): ...
def with_both(a: int, b: int = 2, *rest, c: int = 3, **options): ...
def positional_only(a: int, b: int = 2, /, c: int = 3): ...
def positional_gap(a=(), b: int = 2, /): ...
def keyword_only(*, a: int, b: str = "x"): ...
def defaults(
    a=[],  # noqa: B006
    b=(1, 2),
    c=datetime(2026, 1, 1),
    d=Colour.RED,
    e=object(),  # noqa: B008
    f=float("nan"),
    *rest,
): ...
def hints(
    a: Optional[int] = None,  # noqa: UP045
    b: int | None = None,
    c: list[int] = [],  # noqa: B006
    d: Annotated[int, "rows"] = 1,
    e: Literal["x", 1] = "x",
    f: Mapping[str, float] | None = None,
    g: Sequence[str] | None = None,
    h: dict | list | None = None,
): ...
def unreadable(a: Unknown, b: int, c: list["Unknown"] | None = None, d: "1 +" = 1): ...  # noqa: F722, UP037
def bound(self, a: int, /, *rest, **options): ...
def nothing(): ...


FUNCTIONS = [
    *(
        plain,
        with_options,
        with_numbers,
        with_rest,
        with_both,
        positional_only,
        positional_gap,
        keyword_only,
    ),
    *(defaults, hints, unreadable, bound, nothing),
]


@pytest.fixture(scope="module", autouse=True)
def kinds() -> None:
    for function in FUNCTIONS:
        task("T", bind=function is bound)(function)


def bind(
    function: Callable[..., Any], args: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a function would be called with."""
    kind = TASK_TYPES[function.__name__]
    ordered, named = json.loads(json.dumps(kind.call.split(kind.validate(args))))
    call = inspect.signature(function).bind(
        *([None] if function is bound else []), *ordered, **named
    )
    return call.args, call.kwargs


@pytest.mark.parametrize(
    ("function", "args", "call"),
    [
        (nothing, {}, ((), {})),
        (plain, {"a": 1}, ((1,), {})),
        (with_options, {"a": 1}, ((1,), {})),
        (
            with_options,
            {"a": 1, "b": [2], "options": 3, "with space": 4},
            ((1,), {"b": [2], "options": 3, "with space": 4}),
        ),
        (with_numbers, {"a": 1, "b": 2}, ((1,), {"b": 2})),
        (with_rest, {}, ((), {})),
        (with_rest, {"rest": []}, ((), {})),
        (with_rest, {"rest": [1, 2]}, ((1, 2), {})),
        (with_both, {"a": 1}, ((1, 2), {"c": 3})),
        (with_both, {"a": 1, "rest": [5, 6], "d": 7}, ((1, 2, 5, 6), {"c": 3, "d": 7})),
        (positional_only, {"a": 1}, ((1, 2, 3), {})),
        (positional_only, {"b": 5, "a": 1, "c": 6}, ((1, 5, 6), {})),
        (positional_gap, {}, ((), {})),
        (positional_gap, {"a": [1]}, (([1], 2), {})),
        (keyword_only, {"a": 1}, ((), {"a": 1, "b": "x"})),
        (defaults, {}, ((), {})),
        (defaults, {"b": [3]}, None),
        (
            hints,
            {"a": 1, "b": None, "c": [1, 2], "d": 3, "e": 1, "f": {"x": 1}, "g": ["y"], "h": {}},
            None,
        ),
        (hints, {}, None),
        (unreadable, {"a": {"any": "thing"}, "b": 1, "c": 5}, ((({"any": "thing"}, 1, 5, 1)), {})),
        (bound, {"a": 1, "rest": [2], "b": 3}, ((None, 1, 2), {"b": 3})),
    ],
)
def test_what_can_be_started_is(function: Callable[..., Any], args: dict[str, Any], call: Any):
    found = bind(function, args)

    assert call is None or found == call


@pytest.mark.parametrize(
    ("function", "args", "wrong"),
    [
        (nothing, {"a": 1}, {"a": "No such argument."}),
        (with_options, {}, {"a": "Is missing."}),
        (with_options, {"a": "1"}, {"a": "Must be a whole number."}),
        (with_options, {"a": 1, "self": 2}, {"self": "No such argument."}),
        (bound, {"a": 1, "self": 2}, {"self": "No such argument."}),
        (with_numbers, {"a": 1, "b": "x"}, {"b": "Must be a whole number."}),
        (with_rest, {"rest": 1}, {"rest": "Must be a list."}),
        (with_rest, {"rest": ["x"]}, {"rest.0": "Must be a whole number."}),
        (with_rest, {"other": 1}, {"other": "No such argument."}),
        (with_both, {"rest": [1]}, {"a": "Is missing."}),
        (positional_only, {"c": 1}, {"a": "Is missing."}),
        (positional_gap, {"b": 1}, {"a": "Is missing."}),
        (defaults, {"rest": [1]}, {name: "Is missing." for name in "abcdef"}),
        (keyword_only, {"b": 1}, {"a": "Is missing.", "b": "Must be text."}),
        (hints, {"a": "1"}, {"a": "Must be a whole number."}),
        (hints, {"b": 1.5}, {"b": "Must be a whole number."}),
        (hints, {"c": [1, "2"]}, {"c.1": "Must be a whole number."}),
        (hints, {"c": {}}, {"c": "Must be a list."}),
        (hints, {"d": None}, {"d": "Must be a whole number."}),
        (hints, {"e": True}, {"e": "Must be one of: x, 1."}),
        (
            hints,
            {"f": {"x": "y"}},
            {"f.x": "Must be a number."},
        ),
        (hints, {"g": "text"}, {"g": "Must be a list."}),
        (hints, {"h": 5}, {"h": "Must be of type dict | list | None."}),
        (unreadable, {"a": 1, "b": "x"}, {"b": "Must be a whole number."}),
    ],
)
def test_what_cannot_be_started_says_why(
    function: Callable[..., Any], args: dict[str, Any], wrong: dict[str, str]
):
    with pytest.raises(BadArguments) as refused:
        TASK_TYPES[function.__name__].validate(args)

    assert refused.value.fields == wrong


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (positional_only, {"a": 1}),
        (positional_gap, {}),
        (defaults, {"b": 1}),
        (hints, {"a": 1}),
        (bound, {"a": 1}),
    ],
)
def test_celery_takes_what_was_checked(
    client: Any, function: Callable[..., Any], args: dict[str, Any]
):
    assert client.post("/tasks", json={"name": function.__name__, "args": args}).status_code == 202


def test_a_request_starts_it_and_its_retry_has_the_same_arguments(client: Any, records: Records):
    args = {"a": 1, "rest": [5], "d": 7}

    started = client.post("/tasks", json={"name": "with_both", "args": args})

    assert started.status_code == 202, started.json
    task_id = started.json["task_id"]
    letter = json.loads(records.client.lrange("celery", 0, -1)[0])
    assert json.loads(b64decode(letter["body"]))[:2] == [[1, 2, 5], {"c": 3, "d": 7}]
    records.cancel(task_id)
    again = client.post(f"/tasks/{task_id}/retry")
    message, _ = records.outbox.message(again.json["task_id"])
    assert (message["args"], message["kwargs"]) == ([1, 2, 5], {"c": 3, "d": 7})


@pytest.mark.parametrize("function", [with_options, with_both, positional_only, bound])
def test_a_request_with_wrong_arguments_is_answered(
    client: Any, records: Records, function: Callable[..., Any]
):
    for args in ({}, {"a": "x"}, {"a": 1, "self": 1}, {"a": None, "": 1}):
        refused = client.post("/tasks", json={"name": function.__name__, "args": args})

        assert (refused.status_code, refused.json["error"]["code"]) == (400, "bad_arguments")
    assert records.client.llen("celery") == 0

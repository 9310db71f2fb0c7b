"""Kinds of work: how a function's signature becomes a check, and its arguments a title."""

from __future__ import annotations

import pytest

from headway.registry import TASK_TYPES, BadArguments, TaskType, task


@pytest.fixture(scope="module")
def kind() -> TaskType:
    @task("Report for {month}, {rows} rows", bind=True)
    def a_report(
        self, month: str, rows: int = 100, share: float = 0.5, loud: bool = False, extra=None
    ):
        raise AssertionError("only its signature is used")

    return TASK_TYPES.pop("a_report")


def test_arguments_are_filled_from_the_defaults_and_name_the_title(kind: TaskType):
    args = {"month": "May"}

    prepared = kind.validate(args)

    assert prepared == {"month": "May", "rows": 100, "share": 0.5, "loud": False, "extra": None}
    assert kind.title_of(args, prepared) == "Report for May, 100 rows"
    assert kind.validate({"month": "May", "share": 1, "extra": {"any": ["thing"]}})["share"] == 1


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({}, "month"),
        ({"month": 5}, "month"),
        ({"month": "May", "rows": "5"}, "rows"),
        ({"month": "May", "rows": 1.5}, "rows"),
        ({"month": "May", "rows": True}, "rows"),
        ({"month": "May", "loud": 1}, "loud"),
        ({"month": "May", "self": 1}, "self"),
        ({"month": "May", "other": 1}, "other"),
    ],
)
def test_what_does_not_fit_the_signature_is_named(kind: TaskType, args: dict, field: str):
    with pytest.raises(BadArguments) as refused:
        kind.validate(args)

    assert refused.value.fields.keys() == {field}

"""A task's title, whatever arguments it is made from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery, group

from headway import registry
from headway.registry import TASK_TYPES, Call, TaskType, task
from headway.snapshot import MAX_TITLE_CHARS, Phase, title_line
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.bodies import read


def kind(title: str) -> TaskType:
    return TaskType("long_task", title, "celery", validate=lambda args: {}, call=Call())


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Report for May", "Report for May"),
        ("a\nb\r\nc\td", "a b c d"),
        ("a\x00b\x1b[31mc\x7fd\x85e", "a b [31mc d e"),
        ("a\u2028b\u2029c", "a b c"),
        ("half \ud83d of a character", "half of a character"),
        ("\u202efdp.exe\u202c \u2066x\u2069 \u200e\u200f\u061c\ufeffend", "fdp.exe x end"),
        ("می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"),  # joiners belong to their words
        ("   ", ""),
    ],
)
def test_a_title_is_one_line_of_visible_characters(text: str, title: str):
    assert title_line(text) == title
    json.dumps(title_line(text), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "text",
    ["x" * 60_000, "word " * 12_000, "\n" * 60_000 + "x" * 60_000, "é" * 201],
    ids=["one word", "many words", "after empty lines", "by one"],
)
def test_a_long_title_is_cut_with_a_mark(text: str):
    title = title_line(text)

    assert len(title) == MAX_TITLE_CHARS
    assert title.endswith("…")


def test_a_title_of_the_largest_length_is_whole():
    assert title_line("x" * MAX_TITLE_CHARS) == "x" * MAX_TITLE_CHARS


class Unprintable:
    """An argument that a `validate` has made."""

    def __format__(self, spec: str) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("title", "month"),
    [
        ("{month.x}", {"x": 1}),
        ("{month[x]}", [1]),
        ("{month[0]}", ""),
        ("{month:d}", "May"),
        ("{month:>5}", None),
        ("{month}", Unprintable()),
        pytest.param("{month}", 10**5000, id="more digits than Python prints"),
        ("{other}", "May"),
        ("{0}", "May"),
        ("{month", "May"),
        ("{month}", "\n\x00"),
    ],
)
def test_arguments_that_do_not_fit_the_title_give_the_name(title: str, month: Any):
    assert kind(title).title_of({"month": month}, {}) == "long_task"


def test_a_title_that_does_not_fit_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(registry, "_unfit_titles", set())

    for month in ("May", "June"):
        kind("Report for {month.year}").title_of({"month": month}, {})

    [said] = caplog.messages
    assert "long_task" in said
    assert "'Report for {month.year}' (AttributeError)" in said


@pytest.mark.parametrize("month", [{"a": [1]}, [1, 2], None, True, 1.5, "May"])
def test_any_other_argument_is_shown_as_it_is(month: Any):
    assert kind("Report for {month}").title_of({"month": month}, {}) == f"Report for {month}"


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("Report for {missing}", "names 'missing'"),
        ("Report for {month.name} of {year[0]}", "names 'year"),
        ("Report for {}", "names ''"),
        ("Report for {month", "is no format"),
    ],
)
def test_a_title_that_no_argument_can_fill_is_refused(title: str, why: str):
    def untitled(month: str) -> None: ...

    with pytest.raises(TypeError, match=why):
        task(title)(untitled)

    assert "untitled" not in TASK_TYPES


def test_a_record_takes_no_other_title(records: Records):
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}

    started = records.starts.create(
        owner="ada", message=message, title="a\n\u202e" + "b" * 60_000, max_attempts=4
    )

    title = json.loads(started.snapshot)["title"]
    assert title == "a " + "b" * (MAX_TITLE_CHARS - 3) + "…"
    assert records.outbox.message(started.task_id) == (message, title)


def test_a_task_without_a_title_is_called_by_as_much_of_its_name(records: Records):
    written = records.runs.write(
        StateWrite("1", Delivery(), Phase.RUNNING, {}, "{}", "\u202e" + "x" * 60_000, 4)
    )

    [stored] = records.read(["1"])
    assert written == "written"
    assert stored is not None
    assert json.loads(stored.snapshot)["title"] == "x" * (MAX_TITLE_CHARS - 1) + "…"
    assert len(stored.snapshot) < 2000


def test_a_title_of_an_argument_is_cut_on_the_way_in(client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TASK_TYPES, "long_task", kind("Report for {month}"))

    started = client.post(
        "/tasks", json={"name": "long_task", "args": {"month": "\x1b\u202e" + "x" * 60_000}}
    )

    assert started.status_code == 202
    assert started.json["title"] == "Report for " + "x" * (MAX_TITLE_CHARS - 12) + "…"


def test_a_title_that_its_argument_does_not_fit_refuses_no_start(
    client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(TASK_TYPES, "long_task", kind("Report for {month.year}"))

    started = client.post("/tasks", json={"name": "long_task", "args": {"month": {"year": 2026}}})

    assert (started.status_code, started.json["title"]) == (202, "long_task")


@pytest.mark.parametrize(
    ("title", "heading"),
    [
        ("Long task", "Long task"),
        ("Report for {month}", "Report"),
        ("Mailing to {source}: {subject}", "Mailing"),
        ("Order #{number}", "Order"),
        ("Into {place}", "Long task"),
        ("All of {{all}} in {rows:>5} rows", "All of {all}"),
        ("Go on", "Go on"),
        ("{rows:>5} rows", "Long task"),
        ("half a {brace", "Long task"),
        ("", "Long task"),
    ],
)
def test_a_heading_is_a_title_without_arguments(title: str, heading: str):
    assert kind(title).heading == heading


@pytest.fixture(scope="module")
def monthly() -> str:
    @task("Report for {month}, {rows} rows")
    def titled_report(month: str, rows: int = 10) -> None: ...

    return titled_report.name


def test_what_project_code_sends_has_the_title_of_a_start_by_name(
    celery: Celery, records: Records, monthly: str
):
    send = celery.tasks[monthly]
    named = {"headway_title": "Own"}

    results = [
        send.delay("May"),
        send.delay(rows=3, month="June"),
        send.apply_async(("July",), countdown=60),
        send.apply_async(("May",), headers=named),
        group(send.s("August"), send.s("September"))().results[1],
    ]

    assert [read(records, result.id).title for result in results] == [
        "Report for May, 10 rows",
        "Report for June, 3 rows",
        "Report for July, 10 rows",
        "Own",
        "Report for September, 10 rows",
    ]

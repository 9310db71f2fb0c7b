"""What an author says that a result is: plain data for every client, and a kind beside it."""

from __future__ import annotations

import json
import math
import pickle
from decimal import Decimal
from typing import Any

import pytest
from celery.result import AsyncResult

from headway import Image, Markdown, Plot
from headway.snapshot import Phase
from headway.state_fields import success_fields
from headway.store.model import Delivery, Source, StateWrite
from headway.store.records import Records
from headway.typed_results import MAX_POINTS, MAX_SERIES
from tests.large import MESSAGE, celery_app, start, text_of

PLOT = {"kind": "line", "title": "", "x": None, "series": {"": [1, 2]}}
VALUES = [
    (Markdown("# Hi"), "# Hi", "markdown"),
    (Image("a.png", "A"), {"file": "a.png", "alt": "A"}, "image"),
    (Plot([1, 2]), PLOT, "plot"),
    ({"result": Markdown("# Hi"), "status": "Done"}, "# Hi", "markdown"),
    (Markdown("x" * 10_000), "x" * 10_000, "markdown"),
    ("# Hi", "# Hi", ""),
]


@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack"])
@pytest.mark.parametrize(("value", "plain", "kind"), VALUES)
def test_clients_get_plain_data(
    redis_url: str, records: Records, serializer: str, value: Any, plain: Any, kind: str
):
    app = celery_app(redis_url, result_serializer=serializer, accept_content=[serializer])
    task_id = start(records)

    app.backend.mark_as_done(task_id, value)

    got = AsyncResult(task_id, app=app).get()
    got = got["result"] if isinstance(got, dict) and "result" in got else got
    assert (got, type(got)) == (plain, type(plain))
    snapshot = json.loads(text_of(records, task_id))
    assert snapshot["result"] == plain or snapshot["result_size"] > len(plain)
    assert records.results.kind(task_id) == kind


def test_a_kind_does_not_outlive_its_result(redis_url: str, records: Records):
    app = celery_app(redis_url)
    task_id = start(records)
    app.backend.mark_as_done(task_id, Markdown("# Hi"))

    app.backend.mark_as_done(task_id, "refused: it has ended")

    assert records.results.kind(task_id) == "markdown"
    records.forget(task_id)
    assert records.results.kind(task_id) == ""


def test_a_task_that_starts_over_has_no_kind_of_the_last_time(records: Records):
    about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "test"}
    ended: Any = {"one": success_fields(Markdown("# Hi")), "two": success_fields("# Hi")}
    for send, fields in ended.items():
        records.runs.claim("again", Delivery(send), send, source=Source(send), **about)
        end = StateWrite("again", Delivery(send), Phase.SUCCEEDED, fields, "{}", "t", 4)
        assert records.runs.write(end) == "written"

    assert records.results.kind("again") == ""


@pytest.mark.parametrize("value", [Image("a.png"), Plot([1]), Markdown("a")])
def test_a_pickle_needs_no_headway(value: Any):
    assert b"headway" not in pickle.dumps(value)
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_plot_takes_any_numbers():
    plot = Plot({"a": (n for n in [1, Decimal("2.5"), None, math.nan])}, [1, "x", None, 2.5])

    assert plot["series"] == {"a": [1, 2.5, None, None]}
    assert plot["x"] == ["1", "x", "", "2.5"]
    assert Plot([1, 2], [5, Decimal(6)])["x"] == [5, 6]
    assert Plot([1, 2], ["5", "6"])["x"] == ["5", "6"]


@pytest.mark.parametrize(
    ("series", "x", "why"),
    [
        ([], None, "places"),
        ({}, None, "series"),
        ([1] * (MAX_POINTS + 1), None, "places"),
        ({str(n): [1] for n in range(MAX_SERIES + 1)}, None, "series"),
        ({"a": [1], "b": [1, 2]}, None, "lengths"),
        ([1], [1, 2], "lengths"),
        ({1: [1], "1": [2]}, None, "Two series of a plot have the name '1'"),
        (["many"], None, "number"),
        ([math.inf], None, "number"),
        ([True], None, "number"),
    ],
)
def test_what_cannot_be_drawn_is_refused(series: Any, x: Any, why: str):
    with pytest.raises(ValueError, match=why):
        Plot(series, x)


def test_a_wrong_kind_or_name_is_refused():
    kind: Any = "pie"
    with pytest.raises(ValueError, match="line or bar"):
        Plot([1], kind=kind)
    with pytest.raises(ValueError, match="no name of a file"):
        Image("../a.png")

"""A result is shown as what it is: a table, a link, or JSON; and no formula comes out of it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from headway.display.labels import LABELS
from headway.display.tables import rows_of
from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from headway.web.pages.result_view import as_csv, link_of, page_of
from tests.by_hand import HERE, claimed_by

HTML = {"Accept": "text/html"}
ROWS = [{"name": "Bob", "n": 2}, {"name": "<b>ada", "n": 10, "more": [1]}, {"name": None, "n": -1}]


@pytest.fixture
def task_id(client: FlaskClient, records: Records) -> str:
    return claimed_by(client, records)


def succeed(records: Records, task_id: str, result: Any) -> None:
    fields: Any = {"result": result}
    meta = json.dumps({"status": "SUCCESS", "result": result})
    write = StateWrite(task_id, HERE, Phase.SUCCEEDED, fields, meta, "long_task", 4)
    assert records.runs.write(write) == "written"


def shown(client: FlaskClient, task_id: str, query: str = "") -> str:
    response = client.get(f"/tasks/{task_id}{query}", headers=HTML)
    assert response.status_code == 200
    return str(response.get_data(as_text=True))


def test_cells_are_data_unless_their_column_has_texts_of_the_tasks_own(
    client: FlaskClient, records: Records, task_id: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(LABELS, "long_task", {"texts": ["outcome"]})
    succeed(records, task_id, [{"name": "left out", "outcome": "left out"}, {"outcome": 1}])

    page = shown(client, task_id, "?lang=zh-Hans")

    assert "<td>left out</td><td>跳过</td>" in page
    assert "<td></td><td>1</td>" in page


@pytest.mark.parametrize("value", [[], [1], [{}], [{"a": 1}, 2], {"a": 1}, "text", None])
def test_only_rows_are_a_table(value: Any):
    assert rows_of(value) is None


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("", ["Bob", "<b>ada", ""]),
        ("n", ["", "Bob", "<b>ada"]),
        ("-n", ["<b>ada", "Bob", ""]),
        ("name", ["<b>ada", "Bob", ""]),
        ("unknown", ["Bob", "<b>ada", ""]),
    ],
)
def test_a_table_is_sorted_by_a_column_of_any_values(sort: str, names: list[str]):
    page = page_of(ROWS, sort, 1)

    assert [row[0] for row in page.rows] == names
    assert page.columns == ["name", "n", "more"]


def test_a_table_is_paged_within_its_bounds():
    rows = [{"n": n} for n in range(120)]

    pages = [page_of(rows, "-n", number) for number in (1, 3, 99)]

    assert [(page.number, page.pages, page.count) for page in pages] == [
        (1, 3, 120),
        (3, 3, 120),
        (3, 3, 120),
    ]
    assert [row[0] for row in pages[1].rows] == [str(n) for n in reversed(range(20))]


def test_no_text_is_a_formula_to_a_spreadsheet():
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]
    rows = [{"=key": text} for text in evil] + [{"=key": -5}, {"=key": "a=1"}, {"=key": ["=1"]}]

    cells = [row[0] for row in csv.reader(io.StringIO(as_csv(rows), newline=""))]

    assert cells == ["'=key", *(f"'{text}" for text in evil), "-5", "a=1", '["=1"]']


@pytest.mark.parametrize(
    "value",
    [
        *("javascript:alert(1)", "data:text/html,x", "//x.example", "http://", "https://a b", "x"),
        *("http://[", "https://x.example/\n", "HTTPS:x", " https://x.example", 7),
    ],
)
def test_only_an_address_of_the_web_is_a_link(value: Any):
    assert link_of(value) == ""
    assert link_of("https://x.example/a?b=1") == "https://x.example/a?b=1"


def test_the_page_shows_rows_as_a_table(client: FlaskClient, records: Records, task_id: str):
    succeed(records, task_id, ROWS)

    page = shown(client, task_id, "?sort=-n")
    table = client.get(f"/tasks/{task_id}/result.csv")

    assert "<td>&lt;b&gt;ada</td><td>10</td><td>[1]</td>" in page
    assert 'aria-sort="descending"><a href="/tasks/' in page
    assert page.index("<td>10</td>") < page.index("<td>-1</td>")
    assert table.get_data(as_text=True).startswith("name,n,more\r\nBob,2,\r\n")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert table.headers["Content-Disposition"] == f'attachment; filename="{task_id}.csv"'
    assert client.get(f"/tasks/{task_id}?page=0", headers=HTML).status_code == 400
    assert shown(client, task_id, "?page=99999&sort=%00")


def test_secrets_are_masked_on_the_page(client: FlaskClient, records: Records, task_id: str):
    succeed(records, task_id, [{"from": "redis://ada:hunter2@db.example/0"}])

    page = shown(client, task_id)

    assert "@db.example/0</td>" in page
    assert "hunter2" not in page


def test_the_page_shows_an_address_as_a_link(client: FlaskClient, records: Records, task_id: str):
    succeed(records, task_id, "https://x.example/?a=1&b=2")

    page = shown(client, task_id)

    assert '<a href="https://x.example/?a=1&amp;b=2" rel="noopener noreferrer">' in page
    assert client.get(f"/tasks/{task_id}/result.csv").status_code == 404


def test_a_task_without_a_result_has_no_table(client: FlaskClient, task_id: str):
    assert client.get(f"/tasks/{task_id}/result.csv").status_code == 404

"""A task's page shows a result as what its author says that it is, and never as HTML of its own."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway import Image, Markdown, Plot
from headway.files.store import FileStore
from headway.lanes import BURST, INTERVAL_SECONDS
from headway.snapshot import Phase
from headway.state import state_of
from headway.state_fields import success_fields
from headway.store.model import StateWrite
from headway.store.records import Records
from headway.web.pages import markdown, result_plot
from headway.web.pages.markdown import CHARS_OF_A_TURN, MAX_CHARS, TaskFiles
from tests.by_hand import HERE, claimed_by, give

HTML = {"Accept": "text/html"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
FILES = TaskFiles({"März 1.csv": "/f/1?a&b", "a.png": "/f/2"}, {"a.png": "/f/2"})
ALLOWED = {
    *("a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p"),
    *("pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <b onclick=alert(1)>b</b> c",
    "<!-- --><iframe src=https://evil.example></iframe>",
    "[x](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1)) <javascript:alert(1)> [x](vbscript:x) [x](data:text/html,x)",
    "[x](//evil.example) [x](/tasks) [x](mailto:a@b.example) [x](https:evil) [x](#log)",
    '[x](https://a.example/"onclick="alert(1)) [x](https://a.example "t\\" onclick=\\"alert(1)")',
    "[x][r]\n\n[r]: javascript:alert(1) 'title'",
    "![x](https://evil.example/p.png) ![x](javascript:alert(1)) ![x](data:image/svg+xml,x)",
    '![" onerror="alert(1)](a.png) ![x](../a.png)',
    '```html" onclick="alert(1)\n<script>alert(1)</script>\n```',
    "| a |\n|:-:|\n| <script>alert(1)</script> |",
    "# <svg onload=alert(1)>\n\n###### low",
    "`<script>`<style>*{display:none}</style>",
]


@pytest.fixture
def task_id(client: FlaskClient, records: Records) -> str:
    return claimed_by(client, records)


@pytest.fixture
def folder(app: Flask) -> FileStore:
    found = state_of(app).files
    assert found is not None
    return found


def outcome(client: FlaskClient, records: Records, task_id: str, result: Any) -> str:
    """End a task with this result; return the section of its page that shows it."""
    write = StateWrite(
        task_id, HERE, Phase.SUCCEEDED, success_fields(result), json.dumps({}), "long_task", 4
    )
    assert records.runs.write(write) == "written"
    response = client.get(f"/tasks/{task_id}", headers=HTML)
    assert response.status_code == 200
    page = response.get_data(as_text=True)
    return page[page.index('<section id="outcome"') : page.index('<section id="log"')]


@pytest.mark.parametrize("text", EVIL)
def test_nothing_in_markdown_is_html_or_leads_elsewhere(text: str):
    page = markdown.render(text, FILES)
    assert page is not None

    for tag, attributes in re.findall(r"<(/?\w+)((?:[^>\"]|\"[^\"]*\")*)>", page):
        assert tag.lstrip("/") in ALLOWED, page
        found = dict(re.findall(r'(\S+?)="([^"]*)"', attributes))
        assert found.keys() <= {"href", "rel", "src", "alt", "loading", "class", "start"}, page
        assert re.match(r"https?://|/f/|$", found.get("href", "")), page
        assert found.get("src", "/f/2") == "/f/2", page
    assert page.count("<") == len(re.findall(r"</?\w+(?:[^>\"]|\"[^\"]*\")*>", page)), page


def test_markdown_names_files_of_the_task_and_the_web():
    text = "[all](<März 1.csv>) [web](https://x.example/?a=1&b=2)\n\n![A curve](a.png)"

    page = markdown.render(text, FILES)

    assert page == (
        '<p><a href="/f/1?a&amp;b" rel="noopener noreferrer">all</a> '
        '<a href="https://x.example/?a=1&amp;b=2" rel="noopener noreferrer">web</a></p>\n'
        '<p><img src="/f/2" alt="A curve" loading="lazy"></p>\n'
    )


def test_the_page_shows_markdown(
    client: FlaskClient, records: Records, folder: FileStore, task_id: str
):
    give(records, folder, task_id, "a.png", PNG)
    text = "# Sold\n\n| n |\n|--:|\n| **3** |\n\n![All](a.png) redis://ada:hunter2@db.example/0"

    page = outcome(client, records, task_id, Markdown(text))

    assert "<h3>Sold</h3>" in page
    assert '<td class="end"><strong>3</strong></td>' in page
    assert f'<img src="/tasks/{task_id}/files/a.png" alt="All" loading="lazy">' in page
    assert "hunter2" not in page
    assert client.get(f"/status/{task_id}").get_json()["result"].startswith("# Sold")


def test_a_text_that_is_not_said_to_be_markdown_stays_text(
    client: FlaskClient, records: Records, task_id: str
):
    assert "# Sold" in outcome(client, records, task_id, "# Sold")


def test_markdown_that_is_too_long_stays_text(client: FlaskClient, records: Records, task_id: str):
    page = outcome(client, records, task_id, Markdown("*a* " * (MAX_CHARS // 4 + 1)))

    assert "*a* *a*" in page
    assert "<em>" not in page


@pytest.mark.parametrize(("columns", "rows"), [(500, 500), (50, 700), (2000, 2)])
def test_a_table_whose_cells_are_not_there_stays_text(columns: int, rows: int):
    text = "|".join(["a"] * columns) + "\n" + "|".join(["-"] * columns) + "\n" + "|\n" * rows

    assert str(markdown.render(text, FILES)).count("<t") == 0


def test_a_table_may_have_rows_that_are_too_short():
    text = "|a|b|c|\n|-|-|-|\n" + "|1|\n" * 100

    assert str(markdown.render(text, FILES)).count("<td>") == 300


def test_who_looks_at_much_markdown_waits_as_long_as_it_costs(
    app: Flask,
    client: FlaskClient,
    records: Records,
    task_id: str,
    monkeypatch: pytest.MonkeyPatch,
):
    waits: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=waits.append)
    monkeypatch.setattr("headway.lanes.time", clock)
    monkeypatch.setattr(state_of(app).limits, "are_on", True)
    outcome(client, records, task_id, Markdown("*a* " * (MAX_CHARS // 4)))

    for _ in range(2):
        assert client.get(f"/tasks/{task_id}", headers=HTML).status_code == 200

    turns = 1 + MAX_CHARS // CHARS_OF_A_TURN
    assert waits == [(2 * turns - BURST) * INTERVAL_SECONDS]


def test_the_page_shows_an_image_from_its_own_address(
    client: FlaskClient, records: Records, folder: FileStore, task_id: str
):
    give(records, folder, task_id, "ä.png", PNG)

    page = outcome(client, records, task_id, Image("ä.png", 'A "curve"'))
    [address] = re.findall(r'<img src="([^"]*)" alt="A &#34;curve&#34;">', page)
    answer = client.get(address, buffered=True)

    assert (answer.data, answer.mimetype) == (PNG, "image/png")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.svg", b"<svg onload='alert(1)'/>"), ("a.png", b"<script>alert(1)</script>"), ("", b"")],
)
def test_what_is_no_image_is_not_shown_as_one(
    client: FlaskClient, records: Records, folder: FileStore, task_id: str, name: str, data: bytes
):
    if name:
        give(records, folder, task_id, name, data)

    assert "<img" not in outcome(client, records, task_id, Image(name or "a.png"))


def test_the_page_draws_a_plot(client: FlaskClient, records: Records, task_id: str):
    plot = Plot({"2025": [3, 5], "<b>": [4, None]}, ["Jan", "Feb"], kind="bar", title="Sold")

    page = outcome(client, records, task_id, plot)

    assert 'aria-label="Sold: 2025: 3 to 5, &lt;b&gt;: 4 to 4, at 2 places"' in page
    assert page.count('<path class="bars series-') == 2
    assert "<td>Jan</td><td>3</td><td>4</td>" in page
    assert "<b>" not in page
    assert "style=" not in page


def test_lines_and_bars_are_where_their_numbers_are():
    line = result_plot.draw(Plot([0, 10, None, 5], [0, 1, 2, 4]))
    bars = result_plot.draw(Plot([10, -10], ["a", "b"], kind="bar"))
    same = result_plot.draw(Plot([7, 7 + 1e-15]))
    tiniest = result_plot.draw(Plot([0, 5e-324]))
    assert line
    assert bars
    assert same

    assert line.series[0].path == "M0 240L250 0M1000 120m-4 0h8"
    assert line.y_labels == ["10", "5", "0"]
    assert line.x_labels == ["0", "4"]
    assert bars.series[0].path == "M50.0 120V0h400.0V120ZM550.0 120V240h400.0V120Z"
    assert bars.x_labels == ["a", "b"]
    assert float(same.y_labels[-1]) <= 7 < float(same.y_labels[0])
    assert tiniest


@pytest.mark.parametrize(
    "value",
    [
        None,
        "plot",
        {},
        {**Plot([1]), "kind": "pie"},
        {**Plot([1]), "series": {}},
        {**Plot([1]), "series": {"a": [1], "b": []}},
        {**Plot([1]), "series": {"a": ["<b>"]}},
        {**Plot([1]), "series": {"a": [1e305]}},
        {**Plot([1]), "series": {"a": [True]}},
        {**Plot([1]), "x": [[1]]},
        {**Plot([1]), "x": 7},
        Plot([None]),
    ],
)
def test_a_damaged_plot_is_not_drawn(value: Any):
    assert result_plot.draw(value) is None


@pytest.mark.parametrize("kind", ["plot", "image", "markdown", "pie", 7])
def test_a_kind_that_does_not_fit_shows_json(
    client: FlaskClient, records: Records, task_id: str, kind: Any
):
    records.client.hset(records.keys.record(task_id), "result_kind", json.dumps(kind))

    assert "&#34;odd&#34;: 1" in outcome(client, records, task_id, {"odd": 1})


HALF = "half \ud800 a pair"  # of a file name that is not UTF-8


@pytest.mark.parametrize(
    "result",
    [
        HALF,
        {HALF: HALF},
        [{HALF: HALF}],
        Markdown(f"# {HALF}"),
        Markdown(f"[{HALF}](https://x.example/{HALF})"),
        Plot([1, 2], [HALF, "b"], title=HALF),
        Plot({HALF: [1, 2]}),
        f"https://x.example/{HALF}",
    ],
)
def test_half_a_surrogate_pair_is_shown_as_a_question_mark(
    client: FlaskClient, records: Records, task_id: str, result: Any
):
    assert "half ? a pair" in outcome(client, records, task_id, result)

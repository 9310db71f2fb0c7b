"""The server's own card of a task, as a page without JavaScript shows it: it says what the
script would.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from flask import Flask, render_template_string

from app import create_app
from headway.display import words
from headway.display.labels import labels_of
from tests.processes import Valkey

CONTRACT = json.loads((Path(__file__).parent / "contract.json").read_text())
CASES = CONTRACT["snapshots"]
CARD = '{% include "task.html" %}'


@pytest.fixture(scope="module")
def app(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    data = tmp_path_factory.mktemp("data")
    return create_app(
        {"REDIS_URL": valkey.url, "DATA_DIR": str(data), "SECRET_KEY": "a secret for the tests"}
    )


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_words_are_those_of_the_script(app: Flask, case: dict):
    snapshot = case["snapshot"]

    reading = words.read(snapshot, labels_of(snapshot["name"]))

    assert words.headline(snapshot, labels_of(snapshot["name"])).replace("\u202f", " ") == case[
        "headline"
    ].replace("\u202f", " ")
    assert (reading.sign, reading.percent) == (case["sign"], case["percent"])


def test_the_email_is_labelled_as_the_contract_has_it(app: Flask):
    assert labels_of("send_async_email") == CONTRACT["labels"]["send_async_email"]


def card_of(app: Flask, task: dict) -> str:
    with app.test_request_context():
        return render_template_string(CARD, task=task)


def part(card: str, name: str) -> str:
    found = re.search(rf'data-part="{name}"[^>]*>(.*?)</', card, re.DOTALL)
    assert found
    return html.unescape(re.sub(r"<[^>]*>", "", found[1])).strip()


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_bar_stands_where_the_script_would_have_it(app: Flask, case: dict):
    card = card_of(app, case["snapshot"])

    [bar] = re.findall(r"<progress[^>]*>", card)
    value = re.search(r'value="(\d+)"', bar)
    is_final = case["snapshot"]["finished_at"] is not None
    expected = case["percent"] if case["percent"] is not None else 0 if is_final else None
    assert (value and int(value[1])) == expected


@pytest.mark.parametrize(
    ("name", "text", "numbers"),
    [
        ("running in a named step", "step 3/7 Tokenising 10 / 20 · batch 42", ""),
        ("running in a step without a number", "Upload", "7 / 20"),
        ("running in a loop within another", "rows 3 / 10 · files", "2 / 5"),
        ("running, nothing said yet", "", ""),
        ("running, total unknown", None, "1 234"),
    ],
)
def test_a_step_tells_its_own_numbers_once(app: Flask, name: str, text: str | None, numbers: str):
    [snapshot] = [case["snapshot"] for case in CASES if case["case"] == name]

    card = card_of(app, snapshot)

    assert text is None or part(card, "text").replace("\u202f", " ") == text
    assert part(card, "numbers").replace("\u202f", " ") == numbers


def test_a_step_s_name_is_text(app: Flask):
    [snapshot] = [case["snapshot"] for case in CASES if case["case"] == "running in a named step"]
    snapshot = {**snapshot, "step": {**snapshot["step"], "name": "<b>a & b</b>"}}

    assert "<b>" not in card_of(app, snapshot)
    assert "&lt;b&gt;a &amp; b&lt;/b&gt; 10" in card_of(app, snapshot)


@pytest.mark.parametrize(
    ("name", "headline", "numbers"),
    [
        (
            "waiting for the mail server",
            "Waiting to send:",
            "next attempt at 22 Nov 2026 08:00:21 UTC",
        ),
        ("failed, the mail server took nothing", "Failed", ""),
        ("retrying after an error", "Attempt 2 of 4:", "retrying at 22 Nov 2026 08:00:21 UTC"),
        ("failed after four tries", "Failed after 4 attempts", ""),
    ],
)
def test_a_wait_for_the_mail_server_counts_for_no_attempt(
    app: Flask, name: str, headline: str, numbers: str
):
    [snapshot] = [case["snapshot"] for case in CASES if case["case"] == name]

    card = card_of(app, snapshot)

    assert part(card, "headline") == headline
    assert part(card, "numbers") == numbers


def test_a_task_of_several_attempts_tells_the_time_from_its_request(app: Flask):
    [case] = [case for case in CASES if case["case"] == "succeeded with a number"]
    again = {**case["snapshot"], "attempt": 3, "started_at": "2026-11-22T08:00:12.000Z"}

    found = [
        [part(card_of(app, task), name) for name in ("headline", "numbers")]
        for task in (case["snapshot"], again)
    ]

    assert found == [
        ["Done in 12.4\u202fs", ""],
        ["Done", "13.4\u202fs from request to end"],
    ]


def test_a_wait_without_a_reason_ends_in_no_colon(app: Flask):
    [snapshot] = [case["snapshot"] for case in CASES if case["case"] == "retrying after an error"]
    silent = {**snapshot, "error": {"type": "Retry", "message": ""}}

    assert part(card_of(app, silent), "headline") == "Attempt 2 of 4"


def test_a_table_is_told_in_a_word_with_a_way_to_it(app: Flask):
    task = next(case["snapshot"] for case in CASES if case["case"] == "succeeded with an object")
    rows = [{"product": "Lamp", "n": n} for n in range(3)]

    cards = [
        card_of(app, {**task, "status": "", "result": rows}),
        card_of(app, {**task, "status": "", "result": "1204 rows…", "result_size": 40_000}),
    ]

    assert [part(card, "text") for card in cards] == ["3 rows", "1\u202f204 rows"]
    for card in cards:
        assert part(card, "link") == "Show the table"
        assert f'href="/tasks/{task["task_id"]}#outcome"' in card
        assert "Lamp" not in card

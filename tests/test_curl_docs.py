"""What the documents ask for with curl, or show in a template, of a task of the page's module.

The modules of these pages are Celery projects without a site, so each gets the site of a reader who
has a Flask app: its visitor starts the task, and keeps the cookie in `jar`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.documents import Followed, block, blocks_of
from tests.processes import Valkey, wait_for

TASK_ID = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b"
SITE = """
from flask import Flask, render_template_string

from headway import Headway
from {module} import celery, {task}

app = Flask(__name__)
app.secret_key = "a secret for the tests"
headway = Headway(app, celery=celery)


@app.post("/begin")
def begin():
    return {task}.delay(*{args!r}).id


@app.get("/order/<task_id>")
def order(task_id):
    return render_template_string({template!r}, task_id=task_id)
"""


class Reader:
    """The reader of a document, with a worker and a site for one of its tasks."""

    def __init__(
        self, stack: ExitStack, followed: Followed, module: str, task: str, args: list[object]
    ) -> None:
        self._followed = followed
        [template] = [each.text for each in blocks_of("docs/pages.md") if each.language == "jinja"]
        site = SITE.format(module=module, task=task, args=args, template=template)
        (followed.folder / "shop_site.py").write_text(site)
        followed.start(stack, f"celery -A {module}:celery worker")
        self.address = followed.run(stack, "shop_site", with_worker=False)
        self.task_id = followed.say(f"curl -s -c jar -X POST {self.address}/begin")

    def say(self, command: str) -> str:
        """Return what a command of the document prints, of this task at this site."""
        command = command.removeprefix("$ ").replace(TASK_ID, self.task_id)
        return self._followed.say(command.replace("localhost:5000", self.address))

    def status(self) -> dict[str, Any]:
        """Return the task's snapshot."""
        asked = f"curl -s -b jar localhost:5000/headway/status/{TASK_ID}"
        snapshot: dict[str, Any] = json.loads(self.say(asked))
        return snapshot

    def reaches(self, phase: str) -> None:
        wait_for(lambda: self.status()["phase"] == phase)

    def asked(self, text: str) -> str:
        """Return the id of the task's question once it asks this."""

        def found() -> str:
            question = self.status()["question"] or {}
            return question["id"] if question.get("text") == text else ""

        return wait_for(found)


Follow = Callable[..., Reader]


@pytest.fixture
def follow(valkey: Valkey, tmp_path: Path) -> Iterator[Follow]:
    """Give a function that follows a document: its module, a task of it, and its arguments."""
    with ExitStack() as stack:

        def begin(document: str, module: str, task: str, *args: object) -> Reader:
            return Reader(stack, Followed(document, tmp_path, valkey), module, task, list(args))

        yield begin


def test_a_file_is_downloaded(follow: Follow, tmp_path: Path):
    reader = follow("docs/files.md", "reports", "report", ["Ada", "Bob"])
    reader.reaches("succeeded")

    reader.say(block("docs/files.md", "$ curl -b jar -O"))

    assert (tmp_path / "report.csv").read_bytes() == b"name\r\nAda\r\nBob\r\n"


def test_a_stream_is_read(follow: Follow):
    reader = follow("docs/streams.md", "answer", "answer", "what?")
    reader.reaches("succeeded")

    said = reader.say(block("docs/streams.md", "$ curl -b jar -H"))

    assert said == "To “what?”: **42**, and no more 🙂\n\nSources: 2\n"


def test_a_question_is_answered(follow: Follow):
    reader = follow("docs/questions.md", "imports", "import_rows", [1, 2])
    question_id = reader.asked("Delete 0 rows that the file lacks?")

    command = block("docs/questions.md", "$ curl -b jar -H").replace('"..."', f'"{question_id}"')
    said = json.loads(reader.say(command))

    assert said["task_id"] == reader.task_id
    reader.asked("How?")


def test_a_question_is_answered_in_a_terminal(follow: Follow, tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "stock.sqlite")) as db, db:
        db.execute("CREATE TABLE stock (id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO stock VALUES (?)", [[7], [8], [9]])
    reader = follow("docs/questions.md", "imports", "import_rows", [1, 2])
    lines = block("docs/terminal.md", "$ headway -A shop answer").splitlines(keepends=True)
    first, asked, *_ = lines
    second = lines[3]
    asked, _, typed = asked.rpartition(" ")

    reader.asked("Delete 3 rows that the file lacks?")
    begun = reader.say(f"printf {typed.strip()} | {first[2:].replace('shop', 'imports')}")
    reader.asked("How?")
    ended = reader.say(second.replace("shop", "imports"))

    assert (begun, ended) == (f"{asked} {lines[2]}", lines[4])
    reader.reaches("succeeded")
    assert reader.status()["result"] == "2 rows, 3 deleted, stop on errors"


def test_a_template_shows_a_card_and_the_visitors_list(follow: Follow, page: Page, tmp_path: Path):
    reader = follow("docs/streams.md", "answer", "answer", "what?")
    cookie = re.findall(r"\tsession\t(\S+)", (tmp_path / "jar").read_text())
    page.context.add_cookies([{"name": "session", "value": cookie[0], "url": reader.address}])

    page.goto(f"{reader.address}/order/{reader.task_id}")

    expect(page).to_have_title("Your order")
    expect(page.locator("headway-task").nth(0)).to_have_attribute("data-phase", "succeeded")
    expect(page.locator("headway-list headway-task")).to_have_count(1)

"""The examples of the documents at real workers: what a model streams, an import that asks before
it deletes, a program's output, bars of pandas, coroutines and processes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery import Celery

from headway.snapshot import FINAL, Phase, Snapshot
from headway.store.records import Records
from tests import documents
from tests.bodies import pushes
from tests.by_hand import reached
from tests.processes import Valkey, running, wait_for, worker


class Ran(NamedTuple):
    """How a task ended, each status that it showed with its total, and its log."""

    end: Snapshot
    shown: set[tuple[str, float | None]]
    log: list[str]


class Example:
    """A document's module at a worker of its own, in a folder with the document's files."""

    def __init__(self, stack: ExitStack, folder: Path, valkey: Valkey, module: str) -> None:
        self.folder = folder
        self._module = module
        self._sender = Celery(broker=valkey.url, set_as_current=False)
        stack.callback(self._sender.close)
        client = valkey.connect()
        stack.callback(client.close)
        self.records = Records(client, 7)

    def start(self, task: str, *args: Any) -> str:
        """Send a task, as any Celery client does; return its id."""
        name = f"{self._module}.{task}"
        return str(self._sender.send_task(name, args, queue=self._module).id)

    def reached(self, task_id: str, *phases: Phase) -> Snapshot:
        return reached(self.records, task_id, *phases, seconds=60)

    def question(self, task_id: str, text: str) -> Any:
        """Return the task's question if it asks this."""
        asked = self.reached(task_id, *Phase).question
        return asked if asked and asked["text"] == text else None

    def run(self, task: str, *args: Any) -> Ran:
        """Run a task to its end."""
        with pushes(self.records) as seen:
            task_id = self.start(task, *args)
            end = self.reached(task_id, *FINAL)
            shown = {(each.status, each.total) for each in seen() if each.task_id == task_id}
        log = [line["text"] for line in self.records.queries.read_log(task_id, 0)["lines"]]
        return Ran(end, shown, log)


Begin = Callable[..., Example]


@pytest.fixture
def begin(valkey: Valkey, tmp_path: Path) -> Iterator[Begin]:
    """Give a function that starts a document's module at a worker with a pool."""
    with ExitStack() as stack:

        def started(document: str, module: str, pool: str = "prefork") -> Example:
            for name, text in documents.files_of(document).items():
                (tmp_path / name).write_text(text)
            env = {"REDIS_URL": valkey.url, "PYTHONPATH": str(documents.ROOT)}
            of_module = f"{module}:celery"
            process = worker(tmp_path, env, module, of_module, "-P", pool, root=tmp_path)
            stack.enter_context(running(process))
            return Example(stack, tmp_path, valkey, module)

        yield started


def test_a_models_words_are_streamed(begin: Begin):
    answers = begin("docs/streams.md", "answer")

    end = answers.run("answer", "what?").end

    assert end.result == "answered"
    stream = answers.records.queries.read_streams(end.task_id, {})["answer"]
    assert stream["text"] == "To “what?”: **42**, and no more 🙂\n\nSources: 2\n"
    assert stream["closed"]


@pytest.mark.parametrize(
    ("answer", "result", "left"),
    [
        ('"Delete"', "2 rows, 2 deleted, skip on errors", {1, 3, 7}),
        ('"Stop"', "nothing imported", {1, 2, 7, 9}),
    ],
)
def test_an_import_deletes_what_it_has_asked_about(
    begin: Begin, answer: str, result: str, left: set[int]
):
    imports = begin("docs/questions.md", "imports")

    with closing(sqlite3.connect(imports.folder / "stock.sqlite")) as db:
        db.execute("CREATE TABLE stock (id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO stock VALUES (?)", [[1], [2], [9]])
        db.commit()
        task_id = imports.start("import_rows", [3, 1, 3])

        asked = imports.reached(task_id, Phase.WAITING).question
        assert asked
        assert asked["text"] == "Delete 2 rows that the file lacks?"
        db.execute("INSERT INTO stock VALUES (7)")  # nobody has been asked about this one
        db.commit()
        imports.records.answer(task_id, asked["id"], answer, "ada")
        if answer == '"Delete"':
            how = wait_for(lambda: imports.question(task_id, "How?"), 60)
            imports.records.answer(task_id, how["id"], '{"on_error": "skip"}', "ada")

        assert imports.reached(task_id, *FINAL).result == result
        assert {row for (row,) in db.execute("SELECT id FROM stock")} == left


def test_what_a_library_and_a_program_show_is_live(begin: Begin):
    shop = begin("docs/capture.md", "shop")

    cleaned = shop.run("clean", [{"price": price} for price in range(10, 15)])
    encoded = shop.run("encode", "film.mov")

    assert (cleaned.end.result, cleaned.end.current) == ("5 prices", 5)
    assert ("Prices", 5) in cleaned.shown
    assert cleaned.log == ["cheapest: 12.0"]
    assert (encoded.end.result, encoded.end.current) == ("encoded", 2)
    assert ("Encoding", 2) in encoded.shown
    assert encoded.log[-1] == "muxing overhead: 0.3%"


def test_coroutines_and_processes_count_at_a_pool_of_threads(begin: Begin):
    crawl = begin("docs/capture.md", "crawl", "threads")

    fetched = crawl.run("fetch", 20)
    resized = crawl.run("resize", 3)

    assert (fetched.end.result, fetched.end.current) == (20, 20)
    assert ("Fetching", 20) in fetched.shown
    assert (resized.end.result, resized.end.current) == (3, 3)
    assert ("Resizing", 3) in resized.shown
    assert len(resized.log) == 3

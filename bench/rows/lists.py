"""Measures an owner's list: a page, the counts, and a search of all the owner's tasks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from flask.testing import FlaskClient

from app import create_app
from bench.measure import Bench
from bench.table import Comparison, Row
from headway.shapes import TaskMessage
from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.records import Records
from tests.processes import Valkey

PAGE = 50
PAGE_MS = 50.0
SEARCH_MS = 200.0


def listed(bench: Bench) -> Row:
    """A page of an owner with many tasks, beside what each page reads at least, and a search."""
    folder = bench.folder / "listed"
    folder.mkdir()
    valkey = Valkey(folder)
    try:
        settings = {"REDIS_URL": valkey.url, "DATA_DIR": str(folder), "RATE_LIMITS": "off"}
        client = create_app({**settings, "SECRET_KEY": "a secret for the bench"}).test_client()
        return _measured(bench, Records(connect(valkey.url), 7), client)
    finally:
        valkey.stop()


def _measured(bench: Bench, records: Records, client: FlaskClient) -> Row:
    count = bench.plan.listed
    client.get("/")
    [first] = records.read([client.post("/longtask").get_json()["task_id"]])
    owner = first.owner if first else ""
    ids = [_start(records, owner, number) for number in range(count)]
    newest = ids[-PAGE:]
    queries = records.queries
    found = bench.in_turn(
        {
            "read": _timed(lambda: records.read(newest)),
            "page": _timed(lambda: records.lists.page(owner, PAGE)),
            "counts": _timed(lambda: records.lists.counts(owner)),
            "phase": _timed(lambda: records.lists.page(owner, PAGE, [Phase.FAILED])),
            "search": _timed(lambda: records.lists.page(owner, PAGE, words=["nowhere"])),
            "html": _timed(lambda: _ask(client, "/")),
            "json": _timed(lambda: _ask(client, "/tasks")),
            "found": _timed(lambda: _ask(client, "/?q=nowhere")),
            "scan": _timed(lambda: sum("nowhere" in task.snapshot for task in queries.scan())),
        }
    )
    ms = {name: statistics.median(each) * 1000 for name, each in found.items()}
    read = (f"reading {PAGE} tasks by id", ms["read"])
    return Row(
        f"the list of an owner with {count:,} tasks",
        [
            Comparison(f"the newest {PAGE}", ms["page"], "ms", *read, 3.0),
            Comparison("the counts", ms["counts"], "ms", *read, 1.0),
            Comparison("a phase with no task", ms["phase"], "ms", *read, 1.0),
            Comparison("a search in vain", ms["search"], "ms", "reading all", ms["scan"], 0.1),
            Comparison("the page, drawn", ms["html"], "ms", "allowed", PAGE_MS, 1.0),
            Comparison("its JSON", ms["json"], "ms", "allowed", PAGE_MS, 1.0),
            Comparison("a search's page, drawn", ms["found"], "ms", "allowed", SEARCH_MS, 1.0),
        ],
    )


def _start(records: Records, owner: str, number: int) -> str:
    arguments = {"email": f"reader{number}@example.com"}
    message: TaskMessage = {
        "task": "mail",
        "args": [],
        "kwargs": arguments,
        "options": {"queue": "celery"},
    }
    title = f"E-mail to reader{number}@example.com"
    return records.starts.create(owner=owner, message=message, title=title, max_attempts=4).task_id


def _ask(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text


def _timed(act: Callable[[], object]) -> Callable[[], float]:
    """Return a measure: the seconds that the act takes."""

    def measure() -> float:
        begun = time.perf_counter()
        act()
        return time.perf_counter() - begun

    return measure

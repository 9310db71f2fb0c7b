"""A card shows all the digits of a task's result, by whichever way its snapshot came."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from headway.snapshot import Phase
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.processes import Valkey, running, web

LONG = 1234567890123456789
RUN = Delivery("run", 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Records]]:
    """A web process, and records in which the test plays the worker."""
    valkey = Valkey(tmp_path_factory.mktemp("valkey-digits"))
    env = {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "of the tests" * 2,
    }
    process, address = web(tmp_path_factory.mktemp("web"), env)
    client = valkey.connect()
    with running(process):
        yield address, Records(client, 7)
    client.close()
    valkey.stop()


RESULTS: list[tuple[object, str]] = [
    (LONG, "Result: 1234567890123456789"),
    (-(2**53) - 1, "Result: -9007199254740993"),
    ({"id": LONG, "parts": [2**63, {"next": 10**400}]}, '"id": 1234567890123456789'),
    ([LONG, 9007199254740993], "9007199254740993"),
    (2**53 - 1, "Result: 9007199254740991"),
    (0.1, "Result: 0.1"),
]


def end(records: Records, task_id: str, result: object) -> None:
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    records.runs.claim(task_id, RUN, "run", message=message, max_attempts=4, hostname="test")
    ended = StateWrite(
        task_id, RUN, Phase.SUCCEEDED, {"result": result, "status": ""}, "{}", "long_task", 4
    )
    assert records.runs.write(ended) == "written"


@pytest.mark.parametrize("way", ["live", "polling", "reload"])
def test_all_digits_are_on_the_card(browser: Browser, server: tuple[str, Records], way: str):
    address, records = server
    context = browser.new_context()
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
    if way == "polling":
        page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    page.goto(address)
    chip = "Polling" if way == "polling" else "Live"
    expect(page.locator("#connection")).to_have_text(re.compile(chip))
    start = (
        "fetch('/longtask', {method: 'POST'}).then((answer) => answer.json()).then((task) => "
        "task.task_id)"
    )
    task_ids = [page.evaluate(start) for _ in RESULTS]
    for task_id, (result, _) in zip(task_ids, RESULTS, strict=True):
        end(records, task_id, result)
    if way == "reload":
        page.reload()

    for task_id, (result, shown) in zip(task_ids, RESULTS, strict=True):
        card = page.locator(f'task-progress[task-id="{task_id}"]')
        expect(card).to_have_attribute("data-version", re.compile(r"\d{16}"))
        expect(card).to_have_attribute("data-phase", "succeeded")
        card.get_by_role("button", name="Details").click()
        expect(card).to_contain_text(shown)
        for digits in re.findall(r"\d{16,}", str(result)):
            expect(card).to_contain_text(digits)
    context.close()

"""Ten large results at a real web process: its page shows where the whole is, and nobody else
notices.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from headway.celery.backend import LiveBackend
from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import hand_task, write
from tests.large import MB, celery_app
from tests.processes import Valkey, running, wait_for, web

System = tuple[str, Records, LiveBackend]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A web process, and records in which the test plays the worker."""
    valkey = Valkey(tmp_path_factory.mktemp("valkey-large"))
    env = {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "of the tests" * 2,
    }
    process, address = web(tmp_path_factory.mktemp("web"), env)
    client = valkey.connect()
    with running(process):
        yield address, Records(client, 7), celery_app(valkey.url).backend
    client.close()
    valkey.stop()


def test_nobody_else_notices(system: System):
    address, records, live = system
    other = Visitor(address).connect()
    reader = Visitor(address).connect()
    watched = hand_task(records, other)
    other.call("watch", {"task_ids": [watched]})
    reader.call("watch_mine", {})
    subscribers = records.client.client_list(_type="pubsub")

    for current in range(1, 11):
        live.mark_as_done(hand_task(records, reader), "x" * (5 * MB))
        write(records, watched, current)
        wait_for(lambda seen=current: any(s["current"] == seen for s in other.pushed(watched)))

    assert other.socket.connected
    assert reader.socket.connected
    # Redis has cut no listener off.
    assert [each["id"] for each in records.client.client_list(_type="pubsub")] == [
        each["id"] for each in subscribers
    ]
    ended = wait_for(
        lambda: [s for s in reader.snapshots if s["state"] == "SUCCESS"][9:] and reader.snapshots
    )
    assert max(len(json.dumps(snapshot)) for snapshot in ended) < 10_000
    assert len(reader.http.get(f"{address}/tasks", timeout=10).content) < 100_000
    assert len(reader.http.get(address, timeout=10).content) < 200_000


def test_many_read_large_results_at_once_and_others_are_served(system: System):
    address, records, live = system
    visitor = Visitor(address)
    other = Visitor(address)
    task_id = hand_task(records, visitor)
    live.mark_as_done(task_id, "x" * (20 * MB))

    readings = [
        visitor.http.get(f"{address}/tasks/{task_id}/result", stream=True, timeout=10)
        for _ in range(5)
    ]

    # while nobody reads on
    assert other.http.get(f"{address}/healthz", timeout=20).status_code == 200
    for reading in readings:
        assert sum(map(len, reading.iter_content(MB))) == 20 * MB + 2


@pytest.mark.parametrize("way", ["pushed", "rendered"])
def test_the_card_shows_the_beginning_and_where_the_whole_is(
    browser: Browser, system: System, way: str
):
    address, records, live = system
    context = browser.new_context(java_script_enabled=way == "pushed")
    page = context.new_page()
    page.goto(address)
    if way == "pushed":
        expect(page.locator("#connection")).to_have_text(re.compile("Live"))
    cookies = {cookie["name"]: cookie["value"] for cookie in context.cookies()}
    visitor = Visitor(address)
    visitor.http.cookies.clear()
    visitor.http.cookies.update(cookies)
    task_id = hand_task(records, visitor)
    live.mark_as_done(task_id, "<b>" + "x" * (20 * MB))
    if way == "rendered":
        page.reload()

    card = page.locator(f'task-progress[task-id="{task_id}"]')
    expect(card).to_have_attribute("data-phase", "succeeded")

    expect(card).to_contain_text("Result: <b>" + "x" * 76 + "…")
    link = card.get_by_role("link", name="Show all")
    expect(link).to_have_text("Show all (20\u202fMB)")
    answer = page.request.get(address + str(link.get_attribute("href")))
    assert (answer.status, len(answer.body())) == (200, 20 * MB + 5)
    context.close()

"""A page whose websocket is open and dead: nothing comes over it, and nothing says so."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from headway.store.records import Records
from tests.by_hand import write
from tests.page import LIVE, open_live, start_by_hand

SILENCE_MS = 9000  # as reconnecting-socket.js has it
LEFT_MS = 6000  # until Engine.IO gives such a socket up, too


@pytest.fixture
def silent(page: Page) -> list[bool]:
    """A list that is empty while a page's websockets pass on what the server says."""
    silent: list[bool] = []

    def route(client: WebSocketRoute) -> None:
        server = client.connect_to_server()
        client.on_message(server.send)
        server.on_message(lambda message: silent or client.send(message))

    page.route_web_socket(re.compile("socket.io"), route)
    page.clock.install()
    return silent


@pytest.mark.parametrize(
    ("path", "where", "words"),
    [
        ("/", "#connection", r"Polling every \d+ s"),
        (
            "/tasks/{task_id}",
            "p[data-part=connection]",
            r"Polling every \d+ s\. nothing comes over the websocket",
        ),
    ],
    ids=["the list", "a task's page"],
)
def test_it_is_not_live_reads_by_other_means_and_is_opened_again(
    page: Page,
    web_address: str,
    shared_records: Records,
    silent: list[bool],
    path: str,
    where: str,
    words: str,
):
    open_live(page, web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    page.goto(web_address + path.format(task_id=task_id))
    expect(page.locator(where)).to_have_text(LIVE)

    silent.append(True)
    page.clock.fast_forward(SILENCE_MS)
    write(shared_records, task_id, 42)

    expect(page.locator(where)).to_have_text(re.compile(words))
    expect(page.locator(f'[task-id="{task_id}"], headway-task').first).to_contain_text("42")

    silent.clear()
    page.clock.fast_forward(LEFT_MS)
    expect(page.locator(where)).to_have_text(LIVE)

"""Three viewers of a stream end with the same bytes, whatever was killed or restarted meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from headway.store.records import Records
from headway.tokens import token
from tests import plain_celery as plain
from tests.browser import OrderedClient
from tests.processes import Process, Valkey, running, wait_for, web, worker
from tests.streamed import text_of
from tests.streaming_tasks import HALF, part_of, talk

SECRET = "a secret for the tests"
IS_AT_END = "box => box.scrollTop > 0 && box.scrollHeight - box.scrollTop - box.clientHeight < 2"
BAD_OFFSETS: list[Any] = [
    [],
    {"a": 1},
    {"a": {"answer": -1}},
    {"a": {"answer": True}},
    {"a": {"answer": "0"}},
    {"a": {"answer": {"offset": 0, "epoch": "1"}}},
    {"a": {"answer": {"epoch": 1}}},
]


class Reader:
    """What a viewer has of a stream, by the reader's rule of docs/protocol.md."""

    def __init__(self) -> None:
        self.data = b""
        self.epoch = 0

    @property
    def had(self) -> dict[str, int]:
        return {"offset": len(self.data), "epoch": self.epoch}

    @property
    def text(self) -> str:
        return self.data.decode()

    def take(self, found: dict[str, Any]) -> bool:
        """Take in text; return False where something before it is missing."""
        epoch, offset = found["epoch"], found["offset"]
        if epoch < self.epoch:
            return True
        if epoch > self.epoch and offset == 0:
            self.data = b""
            self.epoch = epoch
        if epoch > self.epoch or offset > len(self.data):
            return False
        self.data += found["text"].encode()[len(self.data) - offset :]
        return True


class SocketViewer(Reader):
    """A socket client that reads by `watch` what it has missed."""

    def __init__(self, address: str, task_id: str, secret: str) -> None:
        super().__init__()
        self._task_id = task_id
        self._address = address
        self._token = secret
        self.socket = OrderedClient(reconnection_delay=0.1, reconnection_delay_max=0.5)
        self.socket.on("connect", self._ask)
        self.socket.on("stream", self._on_stream)
        self.socket.on("disconnect", self._part)
        self.connect()

    def connect(self) -> None:
        auth = {"token": self._token}
        self.socket.connect(self._address, auth=auth, transports=["websocket"], wait_timeout=15)

    def _part(self, reason: str) -> None:
        if self.socket.eio.ws is not None:  # the client leaves it open; the next takes its place
            self.socket.eio.ws.shutdown()

    def _ask(self) -> None:
        streams = {self._task_id: {"answer": self.had}}
        payload = {"task_ids": [self._task_id], "streams": streams}
        self.socket.emit("watch", payload, callback=self._on_answer)

    def _on_answer(self, answer: dict[str, Any]) -> None:
        page = answer.get("streams", {}).get(self._task_id, {}).get("answer")
        if page and self.take(page) and page["next"] < page["length"]:
            self._ask()

    def _on_stream(self, event: dict[str, Any]) -> None:
        if event["name"] == "answer" and not self.take(event):
            self._ask()


class HttpViewer(Reader):
    """A client that polls."""

    def __init__(self, address: str, task_id: str, secret: str) -> None:
        super().__init__()
        self._address = f"{address}/tasks/{task_id}/streams/answer"
        self._headers = {"Authorization": f"Bearer {secret}"}

    def read(self) -> str:
        options: dict[str, Any] = {"headers": self._headers, "timeout": 10}
        response = requests.get(self._address, params=self.had, **options)
        if response.status_code != 404:  # it has not begun
            assert self.take(response.json())
        return self.text


@pytest.fixture(scope="module")
def streaming_worker(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    plain.use(valkey.url)
    folder = tmp_path_factory.mktemp("worker")
    process = worker(folder, {"REDIS_URL": valkey.url}, "celery", "tests.streaming_tasks")
    with running(process):
        yield process


def kill_the_run(folder: Path) -> None:
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("streaming_worker")
def test_three_viewers_end_with_the_same_bytes(
    page: Page,
    valkey: Valkey,
    shared_records: Records,
    tmp_path: Path,
):
    env = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET}
    server, address = web(tmp_path, env)
    task_id = talk.delay(str(tmp_path)).id
    secret = token(task_id, expires=3600, secret_key=SECRET)
    page.goto(f"{address}/tasks/{task_id}?token={secret}")
    expect(page.locator('[data-part="connection"]')).to_have_attribute("data-state", "live")
    on_socket = SocketViewer(address, task_id, secret)
    by_http = HttpViewer(address, task_id, secret)

    def let_write(part: int) -> None:
        for half in (0, HALF):
            (tmp_path / f"{part}.{half}").touch()

    def on_page() -> str:
        text = "document.querySelector('#stream-answer pre')?.textContent ?? ''"
        return str(page.evaluate(text))

    def all_have(*parts: list[str]) -> None:
        text = "".join(word for part in parts for word in part)
        wait_for(lambda: by_http.read() == text)
        wait_for(lambda: on_socket.text == text)
        wait_for(lambda: on_page() == text)

    try:
        for bad in BAD_OFFSETS:
            answer = on_socket.socket.call("watch", {"task_ids": [], "streams": bad}, timeout=15)
            assert answer["error"]["code"] == "bad_payload"
        let_write(0)
        all_have(part_of(1, 0))

        kill_the_run(tmp_path)  # before anything was saved
        all_have(part_of(2, 0))
        box = page.locator("#stream-answer pre")
        follow = page.locator("#stream-answer input")
        expect(follow).to_be_checked()
        wait_for(lambda: box.evaluate(IS_AT_END))
        box.evaluate("box => (box.scrollTop = 0)")
        expect(follow).not_to_be_checked()

        on_socket.socket.disconnect()
        let_write(1)
        wait_for(lambda: "2.1.100" in by_http.read())
        on_socket.connect()
        all_have(part_of(2, 0), part_of(2, 1))

        server.stop()
        (tmp_path / "2.0").touch()
        half = part_of(2, 2)[HALF - 1]
        wait_for(lambda: text_of(shared_records, task_id).endswith(half))
        kill_the_run(tmp_path)  # after a save
        let_write(2)
        server, _ = web(tmp_path, env, int(address.rpartition(":")[2]))
        whole = part_of(2, 0), part_of(2, 1), part_of(3, 2)
        all_have(*whole)
        expect(page.locator('#stream-answer [data-part="stream-state"]')).to_have_text("Ended")
        assert box.evaluate("box => box.scrollTop") == 0

        page.reload()  # a viewer who comes late
        all_have(*whole)
        colours = page.locator("#stream-colours pre")
        expect(colours).to_have_text("<b>red</b> and bold")
        red = colours.locator("span").first
        expect(red).to_have_text("<b>red</b>")
        assert "--ansi-1" in (red.get_attribute("style") or "")
    finally:
        on_socket.socket.close()
        server.stop()

"""docs/own-login.md: its shop runs as its reader runs it, and shows each task to whom it says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser import OrderedClient
from tests.documents import Followed, files_of
from tests.processes import ROOT, Valkey, free_port, wait_for

PAGE = "docs/own-login.md"
# What an export does for each row: it waits until the test has seen that it runs.
WAIT = """while not os.path.exists("seen"):
            time.sleep(0.05)"""
TASK_ID = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b"


class Shop:
    """The page's app with its worker, and a server of another origin."""

    def __init__(self, folder: Path, valkey: Valkey, stack: ExitStack) -> None:
        partner_port = free_port()
        self.partner = f"http://localhost:{partner_port}"
        changes = {"http://localhost:8000": self.partner, "time.sleep(0.1)": WAIT}
        self.reader = Followed(PAGE, folder, valkey, changes)
        self.address = self.reader.run(stack, "shop")
        serve = partial(_Quiet, directory=str(folder))
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", partner_port), serve))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)

    def let_exports_end(self, may_they: bool = True) -> None:
        seen = self.reader.folder / "seen"
        if may_they:
            seen.touch()
        else:
            seen.unlink(missing_ok=True)

    def log_in(self, user: str) -> requests.Session:
        session = requests.Session()
        session.post(f"{self.address}/login", {"user": user}, timeout=10).raise_for_status()
        return session


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def shop(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with ExitStack() as stack:
        yield Shop(tmp_path_factory.mktemp("shop"), valkey, stack)


def test_a_user_sees_an_export_live_and_another_user_does_not(shop: Shop, page: Page):
    shop.let_exports_end(False)
    page.goto(shop.address)
    page.get_by_role("textbox").fill("ada")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Export").click()

    expect(page.locator("headway-task[data-phase=running]")).to_have_count(1)
    shop.let_exports_end()
    expect(page.locator("headway-task[data-phase=succeeded]")).to_have_count(1)
    [task] = shop.log_in("ada").get(f"{shop.address}/headway/tasks", timeout=10).json()["tasks"]
    bob = shop.log_in("bob")
    answer = bob.get(f"{shop.address}/headway/status/{task['task_id']}", timeout=10)
    assert (task["result"], answer.status_code) == ("20 rows", 404)
    assert bob.get(f"{shop.address}/headway/tasks", timeout=10).json()["tasks"] == []


def test_a_token_shows_it_in_a_page_of_another_origin(shop: Shop, page: Page):
    shop.let_exports_end(False)
    started = shop.log_in("ada").post(f"{shop.address}/export-to-share", timeout=10).json()
    html = files_of(PAGE)["partner.html"].replace("http://localhost:5000", shop.address)
    html = html.replace(TASK_ID, started["task_id"]).replace("hwt_...", started["token"])
    (shop.reader.folder / "partner.html").write_text(html)

    page.goto(f"{shop.partner}/partner.html")

    expect(page.locator("headway-task[data-phase=running]")).to_contain_text("Exporting")
    shop.let_exports_end()
    expect(page.locator("headway-task[data-phase=succeeded]")).to_be_visible()


def test_a_user_shares_a_task_by_a_link_and_withdraws_it(shop: Shop):
    """As docs/own-login.md says, with its paths and keys."""
    ada = shop.log_in("ada")
    task_id = ada.post(f"{shop.address}/export-to-share", timeout=10).json()["task_id"]
    share = f"{shop.address}/headway/tasks/{task_id}/share"

    made = ada.post(share, json={"expires_in": 3600}, timeout=10).json()
    shown = requests.get(made["url"], timeout=10)
    codes = [
        shop.log_in("bob").post(share, timeout=10).status_code,
        ada.delete(f"{share}/{made['token_id']}", timeout=10).status_code,
        requests.get(made["url"], timeout=10).status_code,
    ]

    [example] = re.findall(r"```json\n(.*?)```", (ROOT / PAGE).read_text(), re.DOTALL)
    assert set(made) == set(json.loads(example))
    assert (shown.status_code, shown.json()["task_id"]) == (200, task_id)
    assert codes == [404, 204, 404]


def test_a_task_of_nobody_is_the_operators(shop: Shop):
    [task_id] = shop.reader.say("headway -A shop:celery start export rows=1").split()

    address = f"{shop.address}/headway/status/{task_id}"
    codes = {
        user: shop.log_in(user).get(address, timeout=10).status_code for user in ("olga", "ada")
    }

    assert codes == {"olga": 200, "ada": 404}


@pytest.fixture
def watch(shop: Shop) -> Iterator[Callable[[requests.Session], OrderedClient]]:
    """Opens a websocket as the page of a browser does that has these cookies."""
    clients: list[OrderedClient] = []

    def watch(browser: requests.Session) -> OrderedClient:
        client = OrderedClient(reconnection=False)
        clients.append(client)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        client.connect(
            shop.address,
            headers={"Cookie": cookies},
            socketio_path="headway/socket.io",
            transports=["websocket"],
            wait_timeout=20,
        )
        return client

    yield watch
    for client in clients:
        client.close()


def shown(client: OrderedClient) -> int:
    return len(client.call("watch_mine", {}, timeout=20)["snapshots"])


def test_who_logs_out_is_shown_nothing_more(
    shop: Shop, watch: Callable[[requests.Session], OrderedClient]
):
    ada, elsewhere, bob = shop.log_in("ada"), shop.log_in("ada"), shop.log_in("bob")
    ada.post(f"{shop.address}/export", timeout=10).raise_for_status()
    open_pages = [watch(browser) for browser in (ada, elsewhere, bob)]
    assert [shown(page) > 0 for page in open_pages] == [True, True, False]

    ada.post(f"{shop.address}/logout", timeout=10).raise_for_status()

    wait_for(lambda: not (open_pages[0].connected or open_pages[1].connected))
    assert open_pages[2].connected
    assert [shown(watch(browser)) > 0 for browser in (ada, elsewhere)] == [False, True]


def test_who_is_not_logged_in_starts_nothing(shop: Shop):
    assert requests.post(f"{shop.address}/export", timeout=10).status_code == 401

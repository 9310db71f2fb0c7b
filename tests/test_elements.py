"""`headway.js` in Chromium: in pages of another origin, under a strict policy, and where
something is wrong.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from app import create_app
from headway import token
from headway.celery.messages.sends import load_owner_by, nobody
from headway.revoking import revoke_from
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import HERE, write
from tests.page import hear, start_by_hand
from tests.processes import ROOT, Valkey, free_port, running, web

EXAMPLES = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / "pages.md").read_text(), re.DOTALL)
DOCUMENTED = "https://shop.example.com/headway"
DOCUMENTED_TASK = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b"
UNKNOWN = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
SOON_MS = 20_000
SECRET = "a secret for the tests"


class Site:
    """Another site: a host of plain files, each with headers of its own, at two names that are
    two origins.
    """

    def __init__(self) -> None:
        self.files: dict[str, tuple[dict[str, str], str]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers, text = site.files.get(self.path, ({}, ""))
                self.send_response(200)
                for name, value in ({"Content-Type": "text/html; charset=utf-8"} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        port = self._server.server_address[1]
        self.allowed = f"http://127.0.0.1:{port}"
        self.refused = f"http://localhost:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class World(NamedTuple):
    """Headway's own address, its records, and the other site."""

    address: str
    records: Records
    site: Site

    def element(self, tag: str, src: str, attributes: str = "") -> str:
        script = f'<script src="{self.address}/assets/headway.js" defer></script>'
        return f'{script}<{tag} src="{src}" {attributes}></{tag}>'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[World]:
    site = Site()
    env = {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": SECRET,
        "ALLOWED_ORIGINS": site.allowed,
    }
    process, address = web(tmp_path_factory.mktemp("web"), env)
    client = valkey.connect()
    with running(process):
        yield World(address, Records(client, 7), site)
    client.close()
    site.close()


@pytest.fixture
def page(browser: Browser, world: World) -> Iterator[Page]:
    """A page of a visitor who has been at Headway's own page, and so has its cookie."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(world.address)
    yield page
    context.close()


def show(page: Page, world: World, text: str, origin: str = "", **headers: str) -> list[str]:
    """Open a page of the other site; returns what it says in the console, as it says it."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    world.site.files["/page.html"] = (
        {name.replace("_", "-"): value for name, value in headers.items()},
        text,
    )
    page.goto(f"{origin or world.site.allowed}/page.html")
    return said


def expect_said(page: Page, said: list[str], words: str) -> None:
    hear(page, lambda: any(words in line for line in said), str(said))


def polls_of(page: Page) -> list[str]:
    """Return the addresses that a page asks for from now on, as it asks."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def test_a_task_is_live_in_a_page_of_another_origin(page: Page, world: World):
    task_id = start_by_hand(page, world.address, world.records)
    write(world.records, task_id, 370)
    heard = (
        "<script>seen = []; for (const name of ['change', 'end']) "
        "document.addEventListener(`headway:${name}`, "
    )
    heard += "(event) => seen.push([name, event.detail.phase, event.detail.current]))</script>"
    show(page, world, heard + world.element("headway-task", f"{world.address}/status/{task_id}"))
    card = page.locator("headway-task")

    expect(card.locator("progress")).to_have_js_property("value", 37, timeout=SOON_MS)
    expect(card).to_contain_text("Long task")
    expect(card.locator("[aria-live=polite]")).to_have_text(re.compile("Long task: 37"))
    expect(card.locator("[part=connection]")).to_be_hidden(timeout=SOON_MS)
    polls = polls_of(page)
    write(world.records, task_id, 420)
    expect(card.locator("progress")).to_have_js_property("value", 42)
    write(world.records, task_id, 1000, Phase.SUCCEEDED)
    expect(card).to_contain_text("Done")

    seen = page.evaluate("seen")
    assert [one for one in seen if one[0] == "end"] == [["end", "succeeded", 1000]]
    assert [current for name, _, current in seen if name == "change"] == [370, 420, 1000]
    assert polls == []
    expect(card.get_by_role("button")).to_have_count(1)  # Details, and no other without `actions`


def test_a_card_of_another_origin_says_what_its_task_is_labelled(page: Page, world: World):
    email = {"name": "send_async_email", "args": {"email": "ada@example.com"}, "countdown": 3600}
    task_id = page.request.post(f"{world.address}/tasks", data=email).json()["task_id"]

    src = f"{world.address}/status/{task_id}"
    show(page, world, world.element("headway-task", src, "actions"))
    card = page.locator("headway-task")

    expect(card).to_contain_text("sends at", timeout=SOON_MS)
    card.get_by_role("button", name="Change").click()
    expect(card.get_by_label("Sends at")).to_be_visible()


def test_a_list_shows_what_there_is_and_what_begins_and_its_buttons_work(page: Page, world: World):
    first = start_by_hand(page, world.address, world.records)
    show(page, world, world.element("headway-list", f"{world.address}/tasks", "actions"))
    cards = page.locator("headway-list headway-task")

    expect(cards).to_have_count(1, timeout=SOON_MS)
    # the list speaks, and no card in it
    expect(page.locator("[aria-live=polite]")).to_have_text(["Long task: Running"])
    second = start_by_hand(page, world.address, world.records)
    # it is below the running one until it is heard to run itself
    sources = [f"{world.address}/status/{task_id}" for task_id in (second, first)]
    for number, source in enumerate(sources):
        expect(cards.nth(number)).to_have_attribute("src", source, timeout=SOON_MS)
    expect(cards).to_have_count(2)
    cards.first.get_by_role("button", name="Cancel").click()
    expect(cards.first).to_contain_text("Cancelling")


def test_a_token_opens_its_task_to_a_page_of_another_site(page: Page, world: World):
    task_id = start_by_hand(page, world.address, world.records)
    # another site: browsers send it no cookie of ours
    elsewhere = world.address.replace("127.0.0.1", "localhost")
    src = f"{elsewhere}/status/{task_id}"
    opening = token(task_id, read_only=False, secret_key=SECRET)

    show(page, world, world.element("headway-task", src))
    expect(page.locator("headway-task")).to_contain_text(
        "This task has expired or belongs to someone else", timeout=SOON_MS
    )
    show(page, world, world.element("headway-task", src, f'token="{opening}" actions'))
    card = page.locator("headway-task")
    expect(card).to_have_attribute("data-phase", "running", timeout=SOON_MS)
    expect(card.locator("[part=connection]")).to_be_hidden(timeout=SOON_MS)
    polls = polls_of(page)
    write(world.records, task_id, 420)
    expect(card.locator("progress")).to_have_js_property("value", 42)
    assert polls == []
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelling")


@pytest.mark.parametrize("kind", ["headway-task", "headway-list"])
def test_what_a_withdrawn_link_has_shown_is_shown_no_longer(page: Page, world: World, kind: str):
    task_id = start_by_hand(page, world.address, world.records)
    write(world.records, task_id, 420)
    write(world.records, task_id, 1000, Phase.SUCCEEDED)
    elsewhere = world.address.replace("127.0.0.1", "localhost")
    opening = token(task_id, secret_key=SECRET)
    path = "/tasks" if kind == "headway-list" else f"/status/{task_id}"
    show(page, world, world.element(kind, f"{elsewhere}{path}", f'token="{opening}"'))
    card = page.locator("headway-task")
    expect(card).to_have_attribute("data-phase", "succeeded", timeout=SOON_MS)

    revoke_from(world.records, [SECRET], opening)

    expect(card).to_contain_text("This link has expired or was withdrawn", timeout=SOON_MS)
    expect(card).not_to_contain_text("Done")


@pytest.mark.parametrize("modifiers", [[], ["Control"]], ids=["here", "in a new tab"])
def test_links_of_an_element_with_a_token_open_and_no_address_has_the_token(
    page: Page, world: World, modifiers: list[Literal["Control"]]
):
    task_id = start_by_hand(page, world.address, world.records)
    elsewhere = world.address.replace("127.0.0.1", "localhost")
    opening = token(task_id, read_only=False, secret_key=SECRET)
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    show(
        page,
        world,
        world.element("headway-list", f"{elsewhere}/tasks", f'token="{opening}" actions'),
    )
    link = page.locator("headway-task").get_by_role("link").filter(visible=True)
    expect(link).to_have_attribute("href", f"{elsewhere}/tasks/{task_id}", timeout=SOON_MS)

    if modifiers:
        with page.context.expect_page() as opened:
            link.click(modifiers=modifiers)
        shown = opened.value
    else:
        link.click()
        shown = page

    expect(shown).to_have_url(f"{elsewhere}/tasks/{task_id}", timeout=SOON_MS)
    shown.reload()
    shown.get_by_role("button", name="Cancel").click()
    expect(shown.locator("headway-task")).to_contain_text("Cancelling")
    assert not [address for address in asked if "hwt_" in address]


def test_a_token_that_comes_later_opens_what_was_closed(page: Page, world: World):
    first, second = (start_by_hand(page, world.address, world.records) for _ in range(2))
    elsewhere = world.address.replace("127.0.0.1", "localhost")
    show(page, world, world.element("headway-list", f"{elsewhere}/tasks"))
    tasks = page.locator("headway-list")
    expect(tasks).to_contain_text("No tasks yet.", timeout=SOON_MS)

    tasks.evaluate(
        "(list, token) => list.setAttribute('token', token)",
        token([first, second], secret_key=SECRET),
    )

    expect(tasks.locator("headway-task[data-phase=running]")).to_have_count(2, timeout=SOON_MS)


def test_a_list_of_nothing_says_so(page: Page, world: World):
    show(page, world, world.element("headway-list", f"{world.address}/tasks"))

    expect(page.locator("headway-list")).to_contain_text("No tasks yet.", timeout=SOON_MS)


def test_a_template_s_elements_work_under_a_strict_policy(
    page: Page, world: World, valkey: Valkey, tmp_path: Path
):
    task_id = start_by_hand(page, world.address, world.records)
    about = {"closes": False, "max_bytes": 1000}
    world.records.output.write_stream(task_id, HERE, "answer", 0, b"\x1b[31mred", **about)  # type: ignore[arg-type]
    app = create_app({"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET})
    load_owner_by(nobody)
    template = app.jinja_env.from_string(
        "{{ headway.scripts(nonce='r4nd0m') }}{{ headway.card(task_id) }}"
    )
    with app.test_request_context():
        rendered = template.render(task_id=task_id)
    sources = f"{world.address} {world.address.replace('http', 'ws', 1)}"
    policy = (
        f"default-src 'none'; script-src 'nonce-r4nd0m'; connect-src {sources}; base-uri "
        f"{world.address}"
    )

    said = show(
        page, world, f'<base href="{world.address}">{rendered}', Content_Security_Policy=policy
    )
    card = page.locator("headway-task")

    expect(card).to_have_attribute("data-phase", "running", timeout=SOON_MS)
    expect(card).to_have_css("border-top-left-radius", "8px")  # its own style is there
    expect(card.get_by_role("button", name="Cancel")).to_be_visible()
    expect(card.get_by_role("log", name="answer")).to_have_text("red")  # of a file loaded later
    expect(card.get_by_text("red")).to_have_css("color", "rgb(185, 28, 28)")
    expect(page.get_by_text("The task’s status")).to_be_hidden()
    assert not [
        line for line in said if "Content Security Policy" in line and "favicon" not in line
    ]


def test_where_the_script_is_missing_the_link_inside_is_shown(page: Page, world: World):
    show(
        page,
        world,
        f'<headway-list src="x"><a href="{world.address}/tasks">Your tasks</a></headway-list>',
    )

    expect(page.get_by_role("link", name="Your tasks")).to_be_visible()


TROUBLES = [
    ("{here}/status/" + UNKNOWN, "This task has expired or belongs", "has no such task"),
    ("{here}/no/such/status/" + UNKNOWN, "No Headway lives at {here}/no/such (404)", "(404)"),
    (
        "http://127.0.0.1:{free}/status/x",
        "Cannot be loaded: http://127.0.0.1:{free} does not answer.",
        "answer",
    ),
    (
        "{here}/statsu/x",
        "src must be an address that ends in /status/<task id>, not",
        "src must be",
    ),
]


@pytest.mark.parametrize(
    ("src", "words", "logged"), TROUBLES, ids=["unknown", "404", "away", "malformed"]
)
def test_what_cannot_be_loaded_is_said(page: Page, world: World, src: str, words: str, logged: str):
    names = {"here": world.address, "free": str(free_port())}

    said = show(page, world, world.element("headway-task", src.format(**names)))

    expect(page.locator("headway-task")).to_contain_text(words.format(**names), timeout=SOON_MS)
    expect_said(page, said, logged)
    expect(page.locator("headway-task")).not_to_contain_text("Loading")


@pytest.mark.parametrize("tag", ["headway-task", "headway-list"])
def test_an_origin_that_is_not_allowed_is_told_how_it_may_be(page: Page, world: World, tag: str):
    src = f"{world.address}/tasks" if tag == "headway-list" else f"{world.address}/status/{UNKNOWN}"

    said = show(page, world, world.element(tag, src), world.site.refused)

    wanted = (
        f"does not let pages of {world.site.refused} read it: there, HEADWAY_ALLOWED_ORIGINS "
        "must name"
    )
    expect(page.locator(tag)).to_contain_text(wanted, timeout=SOON_MS)
    expect_said(page, said, wanted)


def test_a_card_that_polls_says_so_and_why(page: Page, world: World):
    task_id = start_by_hand(page, world.address, world.records)
    page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close())

    said = show(page, world, world.element("headway-task", f"{world.address}/status/{task_id}"))
    card = page.locator("headway-task")

    expect(card).to_have_attribute("data-phase", "running", timeout=SOON_MS)
    reason = re.compile(r"Polling every \d+ s: the websocket cannot be opened")
    expect(card.locator("[part=connection]")).to_have_text(reason, timeout=SOON_MS)
    expect_said(page, said, "the websocket cannot be opened")


def test_it_is_dark_where_the_page_is(page: Page, world: World):
    page.emulate_media(color_scheme="dark")
    element = world.element("headway-task", f"{world.address}/status/{UNKNOWN}")

    show(page, world, element)
    expect(page.locator("headway-task")).to_have_css("background-color", "rgb(255, 255, 255)")
    show(page, world, "<style>:root { color-scheme: light dark }</style>" + element)
    expect(page.locator("headway-task")).to_have_css("background-color", "rgb(22, 29, 39)")


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: re.findall("<title>(.*?)</title>", example)[0]
)
def test_the_examples_of_the_document_work(page: Page, world: World, example: str):
    task_id = start_by_hand(page, world.address, world.records)
    example = example.replace(DOCUMENTED, world.address).replace(DOCUMENTED_TASK, task_id)

    said = show(page, world, example)
    card = page.locator("headway-task").first

    expect(card).to_have_attribute("data-phase", "running", timeout=SOON_MS)
    write(world.records, task_id, 1000, Phase.SUCCEEDED)
    expect(card).to_contain_text("Done", timeout=SOON_MS)
    assert not [line for line in said if "favicon" not in line]
    if "headway:end" in example:
        expect(page.locator("#end")).to_have_text("The import has succeeded.")
        expect(page).to_have_title("Long task: 1000")
    if "::part(title)" in example:
        expect(card.locator("[part=title]")).to_have_css("font-size", "24px")
        expect(card).to_have_css("border-top-left-radius", "0px")

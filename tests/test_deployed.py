"""docs/serve.md: the Django and the FastAPI example behind nginx, below a path, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.deployed import PAGE, Deployment
from tests.processes import ROOT, Valkey, held

EXAMPLES = {"Django, under gunicorn": "django", "FastAPI": "fastapi"}
SOON_MS = 20_000


@pytest.fixture(scope="module", params=EXAMPLES)
def shop(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    valkey.empty()
    example = EXAMPLES[request.param]
    folder = tmp_path_factory.mktemp(example)
    shop = Deployment(request.param, ROOT / "examples" / example, folder, valkey.url)
    yield shop
    shop.stop()


@pytest.fixture
def visit(browser: Browser, shop: Deployment) -> Iterator[Any]:
    """Opens the shop in a browser of a user's own, who is logged in."""
    contexts = []

    def open_as(user: str) -> Page:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{shop.address}/")
        page.get_by_role("button", name=f"Log in as {user}").click()
        expect(page.get_by_text(f"{user} is logged in")).to_be_visible(timeout=SOON_MS)
        return page

    yield open_as
    for context in contexts:
        context.close()


def test_the_code_on_the_page_is_the_examples():
    folder = ROOT / "examples"
    code = [path.read_text() for path in folder.rglob("*.py")]
    # The program that serves a Flask app is run by tests/security/test_bare_serving.py.
    blocks = re.findall("```python\n(?!# serve.py)(.*?)```", PAGE, re.DOTALL)

    assert len(blocks) == 3
    for block in blocks:
        assert any(block.strip() in text for text in code), block


def expect_live(page: Page) -> None:
    expect(page.locator("[part=connection]").last).to_have_text("● Live", timeout=SOON_MS)


def snapshots_of(page: Page) -> list[dict[str, Any]]:
    """Return the snapshots that are pushed to a page, as they come."""
    found: list[dict[str, Any]] = []

    def note(frame: str | bytes) -> None:
        if isinstance(frame, str) and frame.startswith('42["snapshot",'):
            found.append(json.loads(frame[2:])[1])

    page.on("websocket", lambda websocket: websocket.on("framereceived", note))
    return found


def test_a_task_is_live_on_its_user_s_page_and_on_nobody_else_s(shop: Deployment, visit: Any):
    ada = visit("ada")
    bob = visit("bob")
    pushed = snapshots_of(ada)
    asked: list[str] = []
    ada.on("request", lambda request: asked.append(request.url))

    card = ada.locator("headway-task")
    with held(shop.worker):  # until its page is there
        ada.get_by_role("button", name="Export", exact=True).click()
        expect(card).to_have_attribute("data-phase", "queued", timeout=SOON_MS)
        expect_live(ada)
    expect(card).to_contain_text("20 rows", timeout=SOON_MS)

    assert {"running", "succeeded"} <= {one["phase"] for one in pushed}
    assert len({one["current"] for one in pushed}) > 5
    assert [url for url in asked if not url.startswith(f"{shop.address}/")] == []
    expect(bob.locator("headway-list")).to_contain_text("No tasks yet.", timeout=SOON_MS)
    bob.goto(ada.url)
    gone = bob.locator("headway-task").get_by_text("the task is no longer kept")
    expect(gone.first).to_be_visible(timeout=SOON_MS)
    ada.get_by_role("link", name="All tasks").click()
    expect(ada.locator("headway-list headway-task")).to_have_count(1, timeout=SOON_MS)


# With one of them: what is restarted, and what is before it, is the same with the other.
@pytest.mark.parametrize("shop", ["Django, under gunicorn"], indirect=True)
def test_after_a_restart_it_is_live_again_without_a_reload(shop: Deployment, visit: Any):
    page = visit("ada")
    other = visit("ada")
    expect_live(page)
    other.get_by_role("button", name="Export", exact=True).click()
    tasks = page.locator("headway-list headway-task")
    expect(tasks.first).to_have_attribute("data-phase", "succeeded", timeout=SOON_MS)
    before = tasks.count()
    other.goto(f"{shop.address}/")
    page.evaluate("window.stays = true")

    assert shop.stop_headway() == 0
    expect(page.locator("[part=connection]").last).not_to_have_text("● Live", timeout=SOON_MS)
    shop.start_headway()
    expect_live(page)
    expect(tasks).to_have_count(before)
    other.get_by_role("button", name="Export", exact=True).click()

    expect(tasks).to_have_count(before + 1, timeout=SOON_MS)
    expect(tasks.first).to_have_attribute("data-phase", "succeeded", timeout=SOON_MS)
    expect_live(page)
    assert page.evaluate("window.stays") is True

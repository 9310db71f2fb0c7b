"""The README: its example does what the README says is its proof, and its other pieces work."""

from __future__ import annotations

import os
import re
import signal
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from headway.testing.eager import Eager
from tests.documents import Followed, files_of, module_of, page
from tests.processes import ROOT, Valkey, children_of, wait_for

README = "README.md"
MAX_LINES = 250
MAX_CODE_LINES = 15
MAX_BYTES = 500_000  # of the picture
TASK_ID = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b"


@pytest.fixture(scope="module")
def reader(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(README, tmp_path_factory.mktemp("readme"), valkey)


@pytest.fixture(scope="module")
def address(reader: Followed) -> Iterator[str]:
    with ExitStack() as stack:
        yield reader.run(stack, "shop")


@pytest.fixture
def shop(address: str, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(address)
    yield opened
    opened.context.close()


def card(shop: Page) -> Locator:
    return shop.locator("headway-task")


def test_the_example_is_short():
    lines = [line for line in files_of(README)["shop.py"].splitlines() if line]

    assert len(lines) <= MAX_CODE_LINES
    assert len(page(README).splitlines()) <= MAX_LINES


def test_its_card_moves_survives_its_process_and_is_cancelled(
    shop: Page, reader: Followed, address: str
):
    expect(card(shop)).to_contain_text("2 / 20")
    for child in children_of(reader.worker.pid):
        os.kill(child, signal.SIGKILL)

    status = str(card(shop).get_attribute("src"))
    wait_for(lambda: shop.request.get(f"{address}{status}").json()["attempt"] == 2)
    expect(card(shop)).to_contain_text("1 / 20")
    shop.get_by_role("button", name="Cancel").click()
    expect(card(shop)).to_have_attribute("data-phase", "cancelled")


def test_who_has_no_cookie_is_told_of_no_task(shop: Page, reader: Followed, address: str):
    [example] = re.findall(r"```console\n\$ (.*?)```", page(README), re.DOTALL)
    command, said = example.splitlines()[:2]
    task_id = str(card(shop).get_attribute("src")).rpartition("/")[2]

    answer = reader.say(command.replace("localhost:5000", address).replace(TASK_ID, task_id))

    assert answer.splitlines()[0].split()[1:] == said.split()[1:] == ["404", "NOT", "FOUND"]


def test_the_tag_for_any_page_shows_the_card(shop: Page, address: str):
    [html] = re.findall(r"```html\n(.*?)```", page(README), re.DOTALL)
    src = str(card(shop).get_attribute("src"))
    html = html.replace("http://127.0.0.1:5000", address).replace(f"/headway/status/{TASK_ID}", src)
    shop.route(
        f"{address}/own.html", lambda route: route.fulfill(body=html, content_type="text/html")
    )

    shop.goto(f"{address}/own.html")

    expect(card(shop)).to_contain_text("/ 20")


def test_what_a_task_says_is_shown():
    with (
        module_of(README, "report.py") as report,
        module_of(README, "shop.py") as shop,
        Eager(shop.celery).active() as eager,
    ):
        run = eager.run(shop.celery.tasks[report.report.name], ["a", "b"])

    run.assert_succeeded("2 rows")
    run.assert_steps("Read", "Send")
    run.assert_showed(step="Send", current=2, status="Uploading")
    run.assert_logged("uploaded to the archive")


def test_what_goes_on_where_it_was_runs_in_a_test_too():
    with (
        module_of(README, "importer.py") as importer,
        module_of(README, "shop.py") as shop,
        Eager(shop.celery).active() as eager,
    ):
        run = eager.run(shop.celery.tasks[importer.importer.name], [{"amount": 2}, {"amount": 3}])

    run.assert_succeeded(5)


def test_the_picture_is_small_and_its_frames_fill_it():
    picture = (ROOT / "docs" / "live.webp").read_bytes()
    canvas = [int.from_bytes(picture[at : at + 3], "little") + 1 for at in (24, 27)]
    frame = struct.unpack_from("<HH", picture, picture.index(b"VP8 ") + 14)

    assert len(picture) <= MAX_BYTES
    assert canvas == [*frame]

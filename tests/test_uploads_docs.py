"""The tutorial of docs/files.md on files that come in, as its reader follows it in a browser."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery
from playwright.sync_api import Browser, Page, Route, expect

from headway import settings
from tests import documents
from tests.documents import Followed
from tests.page import expect_fits, expect_nothing_of_axe, hear
from tests.processes import Valkey, wait_for

DOCUMENT = "docs/files.md"
FORM = "/headway/start/check_people"
MIB = 1024 * 1024
MISSING = re.compile("Is missing.")
SIZES = [(scheme, width) for scheme in ("light", "dark") for width in (320, 1280)]


@pytest.fixture(scope="module")
def followed(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(DOCUMENT, tmp_path_factory.mktemp("people"), valkey)


@pytest.fixture(scope="module")
def address(followed: Followed) -> Iterator[str]:
    """The address of the tutorial's app, with its worker."""
    with ExitStack() as stack:
        yield followed.run(stack, "people")


@pytest.fixture(scope="module")
def people(followed: Followed) -> Path:
    return followed.folder / "people.csv"


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()


def test_the_tutorial_says_what_is_seen(page: Page, address: str, people: Path, tmp_path: Path):
    page.goto(f"{address}{FORM}")
    source = page.get_by_label("Source")
    domain, most = page.get_by_label("Domain"), page.get_by_label("Most")
    expect(source).to_have_attribute("type", "file")
    expect(most).to_have_value("1000")

    start(page)
    expect(source).to_have_accessible_description(MISSING)
    expect(domain).to_have_accessible_description(MISSING)

    source.set_input_files(people)
    kept = page.get_by_role("checkbox", name="people.csv, 71 B")
    expect(kept).to_be_checked()
    expect(page.locator("progress")).to_be_hidden()
    expect(source).not_to_have_accessible_description(MISSING)

    domain.fill("example.com")
    most.fill("many")
    start(page)
    expect(most).to_have_accessible_description(re.compile("Must be a whole number."))
    expect(kept).to_be_checked()

    most.fill("3")
    start(page)
    expect(page.get_by_role("heading", name="Check people.csv")).to_be_visible()
    expect(page.locator("[role=log]")).to_contain_text("Bob is elsewhere")
    expect(page.locator("#outcome")).to_contain_text('"3 rows are checked"')
    with page.expect_download() as download:
        page.get_by_role("link", name="elsewhere.csv").click()
    assert download.value.path().read_bytes() == b"Bob,bob@example.org\r\n"

    arguments = page.get_by_role("region", name="Arguments", exact=True)
    expect(arguments).to_contain_text('"source": "people.csv, 71 B (')
    page.get_by_role("link", name="Run again with other arguments").click()
    expect(kept).to_be_checked()


def test_the_file_comes_with_the_form_without_javascript(
    browser: Browser, address: str, people: Path
):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}{FORM}")
    page.get_by_label("Source").set_input_files(people)
    start(page)
    expect(page.get_by_role("checkbox", name="people.csv, 71 B")).to_be_checked()
    page.get_by_label("Domain").fill("example.com")

    start(page)

    expect(page.get_by_role("heading", name="Check people.csv")).to_be_visible()
    context.close()


def test_start_waits_for_an_upload_and_for_one_that_broke_off(
    page: Page, address: str, people: Path
):
    held: list[Any] = []
    page.route("**/uploads", lambda route: held.append(route))

    def choose() -> Any:
        page.goto(f"{address}{FORM}")
        page.get_by_label("Domain").fill("example.com")
        page.get_by_label("Source").set_input_files(people)
        expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
        start(page)
        expect(page.get_by_text("Uploading…")).to_be_visible()
        assert page.url.endswith(FORM)
        hear(page, lambda: held)
        return held.pop()

    choose().continue_()
    expect(page.get_by_role("heading", name="Check people.csv")).to_be_visible()

    choose().abort()
    waits = "The server cannot be reached. The upload goes on by itself."
    expect(page.get_by_text(waits)).to_be_visible()
    assert page.url.endswith(FORM)
    page.unroute("**/uploads")
    for route in held:
        route.continue_()
    expect(page.get_by_role("heading", name="Check people.csv")).to_be_visible()


class Pieces:
    """The pieces that a page sends; each is let through, cut off or held, as the test says."""

    def __init__(self, page: Page, *fates: str) -> None:
        self.offsets: list[int] = []
        self._fates = list(fates)
        page.route("**/uploads/*", self._take)

    def _take(self, route: Route) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        self.offsets.append(int(route.request.headers["upload-offset"]))
        fate = self._fates.pop(0) if self._fates else "go"
        if fate != "hold":
            route.abort() if fate == "cut" else route.continue_()


def test_a_large_file_goes_on_after_a_cut_line_a_reload_and_offline(
    page: Page, followed: Followed, address: str, tmp_path: Path
):
    data = random.Random(5).randbytes(20 * MIB)
    (tmp_path / "large.csv").write_bytes(data)
    source = page.get_by_label("Source")
    pieces = Pieces(page, "go", "cut", "hold", "hold")

    page.goto(f"{address}{FORM}")
    source.set_input_files(tmp_path / "large.csv")
    expect(page.get_by_role("progressbar", name="Upload")).to_have_js_property("value", 40)
    wait_for(lambda: page.title() and len(pieces.offsets) == 3)
    page.reload()
    source.set_input_files(tmp_path / "large.csv")
    wait_for(lambda: page.title() and len(pieces.offsets) == 4)
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline. The upload goes on by itself.")).to_be_visible()
    page.context.set_offline(False)

    kept = page.get_by_role("checkbox", name="large.csv, 21 MB")
    expect(kept).to_be_checked()
    assert pieces.offsets == [0, *[8 * MIB] * 4, 16 * MIB]
    [path] = followed.folder.glob(f"files/uploads-*/{kept.input_value()}/*")
    assert path.read_bytes() == data


def test_cancel_ends_an_upload(page: Page, followed: Followed, address: str, people: Path):
    before = set(followed.folder.glob("files/uploads-*/*"))
    pieces = Pieces(page, "hold")
    page.goto(f"{address}{FORM}")
    page.get_by_label("Source").set_input_files(people)
    wait_for(lambda: page.title() and pieces.offsets)

    page.get_by_role("button", name="Cancel the upload").click()

    expect(page.get_by_text("The upload is cancelled.")).to_be_visible()
    expect(page.get_by_label("Source")).to_be_focused()
    expect(page.get_by_role("progressbar", name="Upload")).to_be_hidden()
    wait_for(lambda: page.title() and set(followed.folder.glob("files/uploads-*/*")) == before)


def test_what_is_said_without_the_form_works(followed: Followed, address: str):
    said = re.findall(
        r"^\$ (curl .*?|headway .*?)(?=\n\{|\n\$|\n```)", documents.page(DOCUMENT), re.M | re.S
    )
    upload, start, terminal = said[-6:-3]
    answer = json.loads(followed.say(upload.replace("localhost:5000", address)))
    assert answer | {"name": "people.csv", "size": 71, "type": "text/csv"} == answer
    example = re.search(r'"source": "(\w{32})"', start)
    assert example

    started = followed.say(
        start.replace("localhost:5000", address).replace(example[1], answer["upload_id"])
    )

    assert json.loads(started)["title"] == "Check people.csv"
    assert followed.say(f"PYTHONPATH=.:$PYTHONPATH {terminal}").count("-") == 4  # an id


def test_what_is_said_of_pieces_works(followed: Followed, address: str):
    page = documents.page(DOCUMENT)
    begin, ask, send = re.findall(r"^\$ (curl .*?)(?=\n\$|\n```)", page, re.M | re.S)[-3:]
    known = re.search(r"uploads/(\w{32})", ask)
    assert known

    def say(command: str, upload_id: str = "") -> str:
        here = command.replace("localhost:5000", address)
        return followed.say(here.replace(known[1], upload_id))

    answer = say(begin)
    upload_id = json.loads(answer.splitlines()[-1])["upload_id"]
    assert f"Location: /headway/uploads/{upload_id}" in answer
    assert "Upload-Offset: 0" in say(ask, upload_id)
    say(send, upload_id)
    assert "Upload-Offset: 71" in say(ask, upload_id)


def test_axe_finds_nothing_and_nothing_is_cut(browser: Browser, address: str, people: Path):
    for scheme, width in SIZES:
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 720},
            reduced_motion="reduce",  # axe finds no colour on its way to another
        )
        page = context.new_page()
        page.goto(f"{address}{FORM}")
        start(page)
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Source").set_input_files(people)
        expect(page.get_by_role("checkbox", name="people.csv, 71 B")).to_be_checked()
        expect_nothing_of_axe(page)
        expect_fits(page, width)
        context.close()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.chdir(tmp_path)
    with documents.module_of(DOCUMENT, "people.py") as module:
        monkeypatch.setitem(sys.modules, "people", module)
        yield module


@pytest.fixture
def headway_celery_app(module: ModuleType) -> Celery:
    app: Celery = module.celery
    return app


def test_its_test_passes(headway_eager: Any, tmp_path: Path):
    with documents.module_of(DOCUMENT, "test_people.py") as tests:
        tests.test_people_elsewhere_are_found(headway_eager)


def test_the_limits_are_those_of_the_code():
    text = " ".join(documents.page(DOCUMENT).split())

    assert f"{settings.UPLOAD_MAX_BYTES.default // 2**20} MiB (`headway_upload_max_bytes`)" in text
    assert (
        f"{settings.UPLOADED_MAX_BYTES.default // 2**30} GiB (`HEADWAY_UPLOADED_MAX_BYTES`)" in text
    )
    script = (documents.ROOT / "headway/static/js/resumable-upload.js").read_text()
    assert "PIECE_BYTES = 8 * 1024 * 1024" in script
    assert "pieces of 8 MiB" in text
    assert f"`{settings.UPLOADS_LIMIT.default}` (`HEADWAY_UPLOADS_LIMIT`)" in text
    assert f"{settings.UPLOAD_HOURS.default:g} hours (`headway_upload_hours`)" in text

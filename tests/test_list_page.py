"""The page of a viewer's tasks, `/tasks` in a browser, of a project that has no page of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from headway import token
from headway.revoking import revoke_from
from headway.snapshot import Phase
from headway.store.records import Records
from tests.api import BROWSER
from tests.by_hand import claim, write
from tests.page import expect_accessible
from tests.processes import Valkey
from tests.terminal import create
from tests.test_serve import SECRET, Served


@pytest.fixture(scope="module")
def served(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("serve"), valkey.url, "--prefix", "/a/b")
    yield served
    served.process.kill()


@pytest.fixture
def ada() -> str:
    """An owner of this test's own."""
    return f"ada-{uuid4()}"


@pytest.fixture
def address(served: Served, ada: str) -> str:
    """The page of her tasks, for who has no login here."""
    return f"{served.address}/tasks?token={token(owner=ada, secret_key=SECRET)}"


def start(records: Records, owner: str, title: str, phase: Phase | None = None) -> str:
    task_id = create(records, str(uuid4()), owner, title)
    if phase:
        claim(records, task_id)
        write(records, task_id, 10, phase)
    return task_id


@pytest.fixture
def two(shared_records: Records, ada: str) -> str:
    """A task that has failed, whose id this is, after one that waits."""
    start(shared_records, ada, "Import of May")
    return start(shared_records, ada, "Import of June", Phase.FAILED)


def titles(page: Page) -> Locator:
    return page.locator("headway-list").get_by_role("link", name=re.compile("^Import"))


def test_a_program_gets_json_and_a_browser_the_page(
    served: Served, ada: str, two: str, address: str
):
    bearer = {"Authorization": f"Bearer {token(owner=ada, secret_key=SECRET)}"}
    for accepted in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        answer = requests.get(address, headers={"Accept": accepted}, timeout=20)
        assert [task["title"] for task in answer.json()["tasks"]] == [
            "Import of June",
            "Import of May",
        ]

    page = requests.get(f"{served.address}/tasks", headers={**BROWSER, **bearer}, timeout=20)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "private, no-store"
    assert f"{two}" in page.text
    refused = requests.get(f"{served.address}/tasks?phase=none", headers=BROWSER, timeout=20)
    assert (refused.status_code, "There is no phase none." in refused.text) == (400, True)
    assert refused.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_link_that_opens_nothing_any_more_says_why(
    served: Served, shared_records: Records, ada: str, two: str
):
    withdrawn = token(owner=ada, secret_key=SECRET)
    revoke_from(shared_records, [SECRET], withdrawn)
    used = token(owner=ada, secret_key=SECRET, once=True)
    bearer = {"Authorization": f"Bearer {used}"}
    requests.get(f"{served.address}/tasks", headers=bearer, timeout=20)
    past = token(owner=ada, secret_key=SECRET, expires=0.001)

    for dead, why in (
        (withdrawn, "This link has been withdrawn."),
        (used, "This link opens once, and has been used."),
        (past, "This link has expired: ask for a new one."),
    ):
        address = f"{served.address}/tasks?token={dead}"
        page = requests.get(address, headers=BROWSER, timeout=20)
        assert (page.status_code, why in page.text) == (404, True), page.text


def test_the_page_of_a_task_leads_back_to_the_list(page: Page, two: str, address: str):
    page.goto(address.replace("/tasks?", f"/tasks/{two}?"))

    page.get_by_role("link", name="← Tasks").click()

    expect(page.get_by_role("heading", name="Tasks", level=1)).to_be_visible()
    expect(titles(page)).to_have_count(2)
    page.goto(re.sub(r"/tasks.*", "/tasks/nowhere", address))
    expect(page.get_by_role("link", name="← Tasks")).to_have_attribute("href", "/a/b/tasks")


def test_the_page_of_a_task_that_has_ended_goes_with_its_link(
    page: Page, shared_records: Records, ada: str, two: str, served: Served
):
    link = token(two, secret_key=SECRET)
    page.goto(f"{served.address}/tasks/{two}?token={link}")
    expect(page.locator("headway-task[data-version]")).to_contain_text("Failed")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    revoke_from(shared_records, [SECRET], link)

    expect(page.get_by_text("This link has been withdrawn.")).to_be_visible()
    expect(page.get_by_text("Import of June")).to_have_count(0)


def test_what_the_list_is_of_stands_in_its_address(
    page: Page, context: BrowserContext, two: str, address: str
):
    page.goto(address)
    expect(titles(page)).to_have_count(2)

    page.get_by_role("button", name="Failed 1").click()
    expect(titles(page)).to_have_text(["Import of June"])
    page.get_by_role("searchbox").fill("june nowhere")
    page.keyboard.press("Enter")
    expect(titles(page)).to_have_count(0)
    assert page.url == f"{address}&phase=failed&q=june+nowhere"
    page.go_back()
    expect(titles(page)).to_have_text(["Import of June"])
    expect(page.get_by_role("searchbox")).to_have_value("")
    expect(page.get_by_role("button", name="Failed 1")).to_have_attribute("aria-pressed", "true")

    page.reload()
    expect(titles(page)).to_have_text(["Import of June"])
    expect(page.get_by_role("button", name="Failed 1")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(titles(page)).to_have_count(2)


def test_a_state_of_celerys_in_the_address_is_what_the_list_is_of(
    page: Page, two: str, address: str
):
    page.goto(f"{address}&state=FAILURE")

    expect(titles(page)).to_have_text(["Import of June"])
    expect(page.get_by_role("button", name="Failed 1")).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile("phase=failed$"))
    page.get_by_role("button", name="All 2").click()
    expect(titles(page)).to_have_count(2)
    expect(page).not_to_have_url(re.compile("state|phase"))


def test_forced_colours_show_what_the_list_is_of(page: Page, two: str, address: str):
    page.emulate_media(forced_colors="active")
    page.goto(address)
    page.get_by_role("button", name="Failed 1").click()
    expect(titles(page)).to_have_count(1)
    page.get_by_role("searchbox").focus()

    outlines = page.locator("headway-list .filters button").evaluate_all(
        "buttons => buttons.filter((one) => getComputedStyle(one).outlineStyle === 'solid')"
        ".map((one) => one.textContent)"
    )

    assert outlines == ["Failed 1"]


def test_it_lives(page: Page, shared_records: Records, ada: str, two: str, address: str):
    page.goto(address)
    expect(titles(page)).to_have_count(2)

    start(shared_records, ada, "Import of July")

    expect(titles(page)).to_have_count(3)
    expect_accessible(page)


@pytest.mark.parametrize("way", ["pushed", "polled"])
def test_what_is_open_is_on_top_however_many_tasks_are_newer(
    page: Page, shared_records: Records, ada: str, address: str, way: str
):
    if way == "polled":
        page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close(code=1012))
    running = start(shared_records, ada, "Import of May", Phase.RUNNING)
    for number in range(60):
        start(shared_records, ada, f"Import {number}", Phase.SUCCEEDED)

    page.goto(address)
    expect(titles(page)).to_have_count(51)
    expect(titles(page).first).to_have_text("Import of May")
    write(shared_records, running, 420)
    figure = page.locator("headway-list [part=item]").first.locator("[data-part=figure]")
    expect(figure).to_contain_text("42")
    page.get_by_role("button", name="Show older").click()

    expect(titles(page)).to_have_count(61)
    assert len(set(titles(page).all_text_contents())) == 61
    expect(page.get_by_role("button", name="Show older")).to_be_hidden()


def test_without_a_script_it_is_searched_filtered_and_paged(
    browser: Browser, shared_records: Records, ada: str, two: str, address: str
):
    for number in range(50):
        start(shared_records, ada, f"Import {number}", Phase.CANCELLED)
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)

    page.get_by_role("link", name="Show older →").click()
    expect(titles(page)).to_have_text(["Import of May", "Import of June"])
    page.get_by_role("link", name="← Newest").click()
    page.get_by_role("link", name="Cancelled 50").click()
    expect(titles(page)).to_have_count(50)
    page.get_by_label("Search tasks").fill("import 49")
    page.get_by_role("button", name="Show").click()

    expect(titles(page)).to_have_text(["Import 49"])
    titles(page).click()
    expect(page.get_by_role("heading", name="Import 49")).to_be_visible()
    page.close()


def test_the_page_of_the_application_is_the_one_that_it_has(client: FlaskClient):
    leads = client.get("/tasks?phase=failed&phase=queued&q=june", headers=BROWSER)

    assert (leads.status_code, leads.location) == (302, "/?phase=failed&phase=queued&q=june")
    assert client.get("/tasks").is_json
    assert client.get("/tasks?token=x", headers=BROWSER).status_code == 200

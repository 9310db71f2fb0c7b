"""A mailing from form to end, as a person sees it: paused, gone on with, retried in part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests.page import expect_accessible
from tests.processes import System, wait_for
from tests.smtp_server import REPLIES, SmtpServer

PEOPLE = [f"p{n}@example.com" for n in range(20)]
SLOW_SECONDS = 1.5  # for each email: there is time to press Pause before the last
SLOWLY_ENDED = 60_000  # ms


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, SmtpServer]]:
    with SmtpServer() as server:
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port), "MAX_ATTEMPTS": "1"}
        system = System(tmp_path_factory.mktemp("mailing"), **mail, RATE_LIMITS="off")
        yield system, server
        system.stop()


@pytest.fixture
def smtp(system: tuple[System, SmtpServer]) -> Iterator[SmtpServer]:
    """A mail server that takes everything until the test says otherwise."""
    _, server = system
    yield server
    server.replies.update(REPLIES)
    server.first.clear()
    server.delays.clear()
    server.accepted.clear()


class Mailing:
    """A page that leads a mailing from its form to its end, perhaps without a script."""

    def __init__(self, page: Page, *, has_script: bool) -> None:
        self.page = page
        self.has_script = has_script
        self._shown = ""  # the status as of the last reload

    def send(self, people: list[str]) -> None:
        """Fill in the form, look at the preview, and say that it is to be sent."""
        page = self.page
        rows = "".join(f"Person {n},{email}\n" for n, email in enumerate(people))
        content = f"Name,Email\n{rows}".encode()
        file = FilePayload(name="people.csv", mimeType="text/csv", buffer=content)
        page.get_by_label("Source").set_input_files(file)
        if self.has_script:
            expect(page.get_by_role("checkbox", name="people.csv")).to_be_checked()
        page.get_by_label("Subject").fill("Hello {name}")
        page.get_by_label("Body").fill("Dear {name}")
        self.press(page.get_by_role("button", name="Start"))
        self.shows(page.get_by_text("Dear Person 0"))
        self.press(page.locator("#question").get_by_role("button", name="Send", exact=True))

    def button(self, words: str) -> Locator:
        """Return a button of the card: the script's name the task, and take the others' place."""
        name = re.compile(f"^{words}.*: Mailing to") if self.has_script else re.compile(f"^{words}")
        return self.page.get_by_role("button", name=name)

    def press(self, button: Locator) -> None:
        """Press a button, which without a script leads to another page."""
        if self.has_script:
            button.click()
        else:
            with self.page.expect_navigation():
                button.click()

    def shows(self, what: Locator) -> None:
        """Wait until the page shows this, which without a script takes reloads."""
        if self.has_script:
            expect(what.filter(visible=True).first).to_be_visible(timeout=SLOWLY_ENDED)
        else:
            wait_for(lambda: self._reload() or what.count(), seconds=60, message=f"never: {what}")

    def _reload(self) -> None:
        """Load the page again, if it would show anything else: that is much work for a browser."""
        status = self.page.request.get(self.page.url.replace("/tasks/", "/status/")).text()
        if status != self._shown:
            self.page.reload()
            self._shown = status

    def go_on(self) -> None:
        """Go on with what was paused, or failed, and look at the task that does."""
        if not self.has_script:  # what is looked for before may be said while it still runs
            self.shows(self.button("Go on at"))
        self.press(self.button("Go on at"))
        if self.has_script:
            self.page.get_by_role("link", name="a new task").click()


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def mailing(
    request: pytest.FixtureRequest, browser: Browser, system: tuple[System, SmtpServer]
) -> Iterator[Mailing]:
    """The form of a mailing, with JavaScript and without."""
    with browser.new_context(java_script_enabled=request.param, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{system[0].address}/start")
        page.get_by_role("link", name="Mailing").click()
        expect(page.get_by_role("heading", name="Mailing", exact=True)).to_be_visible()
        yield Mailing(page, has_script=request.param)


def sent_to(smtp: SmtpServer) -> Counter[str]:
    return Counter(to for taken in smtp.accepted for to in taken.rcpt_tos)


def test_a_mailing_is_paused_and_gone_on_with(mailing: Mailing, smtp: SmtpServer):
    page = mailing.page
    smtp.delays["message"] = SLOW_SECONDS
    mailing.send(PEOPLE)

    pause = mailing.button("Pause")
    mailing.shows(pause)
    wait_for(lambda: smtp.accepted, message="no email was sent")
    mailing.press(pause)
    mailing.shows(page.get_by_text("Paused at"))
    assert len(smtp.accepted) < len(PEOPLE)
    smtp.delays.clear()
    mailing.go_on()

    mailing.shows(page.get_by_role("link", name="outcomes.csv"))
    assert sent_to(smtp) == Counter(PEOPLE)


def test_only_what_failed_is_sent_again(mailing: Mailing, smtp: SmtpServer):
    page = mailing.page
    smtp.delays["message"] = SLOW_SECONDS
    mailing.send(PEOPLE)
    wait_for(lambda: smtp.accepted, message="no email was sent")
    smtp.replies["rcpt"] = "451 4.7.1 come back later"

    mailing.shows(page.get_by_text("could not be sent yet"))
    assert 0 < len(smtp.accepted) < len(PEOPLE)
    smtp.replies.update(REPLIES)
    smtp.delays.clear()
    mailing.go_on()

    mailing.shows(page.get_by_text("Done in"))
    assert sent_to(smtp) == Counter(PEOPLE)


def test_the_form_offers_an_example_that_can_be_sent(
    page: Page, system: tuple[System, SmtpServer], smtp: SmtpServer, tmp_path: Path
):
    page.goto(f"{system[0].address}/start/import_contacts")
    page.locator("details.example summary").click()
    expect(page.locator("details.example pre")).to_be_visible()
    with page.expect_download() as download:
        page.locator("details.example a").click()
    example = tmp_path / download.value.suggested_filename
    download.value.save_as(example)

    assert example.name == "people.csv"
    page.get_by_label("Source").set_input_files(example)
    expect(page.get_by_role("checkbox", name="people.csv")).to_be_checked()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text('"imported": 2')).to_be_visible(timeout=SLOWLY_ENDED)


def test_each_step_of_a_mailing_is_accessible(
    page: Page, system: tuple[System, SmtpServer], smtp: SmtpServer
):
    page.goto(f"{system[0].address}/start/send_mailing")
    page.locator("details.example summary").click()
    expect_accessible(page)
    smtp.delays["message"] = SLOW_SECONDS
    mailing = Mailing(page, has_script=True)
    mailing.send(PEOPLE)
    pause = mailing.button("Pause")
    expect(pause).to_be_visible(timeout=SLOWLY_ENDED)
    pause.click()
    paused = page.get_by_text("Paused at").filter(visible=True)
    expect(paused.first).to_be_visible(timeout=SLOWLY_ENDED)
    expect_accessible(page)

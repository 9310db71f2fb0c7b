"""Questions in Chromium: each kind by mouse, by keyboard and without a script; on cards, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from headway.questions import Asked, checked_schema
from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import HERE, hand_task
from tests.test_keyboard import press, tab_to

WAYS = ("mouse", "keyboard", "no script")
NO_GROUND = "rgba(0, 0, 0, 0)"


@dataclass
class Options:
    rows: int
    on_error: Literal["stop", "skip"] = "stop"


CHOICES = Asked("q", "q", "Delete 3 rows?", ["Delete", "Keep"], None, 3600.0)
TEXT = Asked("q", "q", "Which file?", None, None, 3600.0)
FORM = Asked("q", "q", "How?", None, checked_schema(Options), 3600.0)


class Person:
    """Answers by mouse or by keyboard."""

    def __init__(self, page: Page, way: str) -> None:
        self.page = page
        self._is_by_keyboard = way == "keyboard"

    def press(self, wanted: Locator) -> None:
        if self._is_by_keyboard:
            press(self.page, wanted)
        else:
            wanted.click()

    def write(self, field: Locator, text: str) -> None:
        if not self._is_by_keyboard:
            return field.fill(text)
        tab_to(self.page, field)
        return self.page.keyboard.type(text)

    def choose(self, field: Locator, label: str) -> None:
        if not self._is_by_keyboard:
            field.select_option(label=label)
            return
        tab_to(self.page, field)
        self.page.keyboard.type(label)


@pytest.fixture
def visitor(web_address: str) -> Visitor:
    return Visitor(web_address)


@pytest.fixture(params=WAYS)
def person(request: pytest.FixtureRequest, browser: Browser, visitor: Visitor) -> Iterator[Person]:
    """The visitor at a browser."""
    way = request.param
    with browser.new_context(java_script_enabled=way != "no script") as context:
        context.add_cookies(
            [
                {"name": cookie.name, "value": cookie.value or "", "url": visitor.address}
                for cookie in visitor.http.cookies
            ]
        )
        yield Person(context.new_page(), way)


@pytest.fixture
def asked(visitor: Visitor, shared_records: Records) -> Callable[[Asked], str]:
    def ask(question: Asked) -> str:
        task_id = hand_task(shared_records, visitor)
        message, _ = shared_records.outbox.message(task_id) or ({}, "")
        assert shared_records.runs.ask(task_id, HERE, question, message) == "waiting"
        return task_id

    return ask


def open_page(person: Person, visitor: Visitor, task_id: str) -> Locator:
    """Open the task's page; return the section that asks."""
    person.page.goto(f"{visitor.address}/tasks/{task_id}")
    return person.page.locator("#question")


def ground(button: Locator) -> Any:
    return button.evaluate("button => getComputedStyle(button).backgroundColor")


def test_a_choice_is_one_press_and_none_is_the_one_to_take(
    person: Person, visitor: Visitor, asked: Callable[[Asked], str]
):
    question = open_page(person, visitor, asked(CHOICES))
    buttons = question.get_by_role("button")
    expect(buttons).to_have_text(["Delete", "Keep"])
    assert [ground(button) for button in buttons.all()] == [NO_GROUND, NO_GROUND]

    person.press(question.get_by_role("button", name="Keep"))

    expect(person.page.locator("#timeline")).to_contain_text("Answered “Keep” by you")
    expect(question.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("person", WAYS[2:], indirect=True)
def test_who_answers_second_is_told_so(
    person: Person, visitor: Visitor, asked: Callable[[Asked], str]
):
    task_id = asked(CHOICES)
    question = open_page(person, visitor, task_id)
    body = {"question_id": "q", "value": "Keep"}
    answer = f"{visitor.address}/tasks/{task_id}/answer"
    visitor.http.post(answer, json=body, timeout=10).raise_for_status()

    person.press(question.get_by_role("button", name="Delete"))

    expect(person.page.get_by_role("alert").first).to_contain_text("Your answer changed nothing")
    expect(person.page.locator("#timeline")).to_contain_text("Answered “Keep” by you")


def test_a_text_is_written_and_sent_by_the_one_button(
    person: Person, visitor: Visitor, asked: Callable[[Asked], str]
):
    question = open_page(person, visitor, asked(TEXT))

    person.write(question.get_by_label("Your answer"), "<b>Übersicht.csv</b>")
    assert ground(question.get_by_role("button", name="Answer")) != NO_GROUND
    person.press(question.get_by_role("button", name="Answer"))

    expect(person.page.locator("#timeline")).to_contain_text("Answered “<b>Übersicht.csv</b>”")


def test_a_form_says_what_is_wrong_and_keeps_what_was_written(
    person: Person, visitor: Visitor, asked: Callable[[Asked], str]
):
    question = open_page(person, visitor, asked(FORM))

    person.write(question.get_by_label("Rows"), "many")
    person.choose(question.get_by_label("On error"), "skip")
    person.press(question.get_by_role("button", name="Answer"))
    expect(question).to_contain_text("Must be a whole number.")
    expect(question.get_by_label("Rows")).to_have_value("many")
    expect(question.get_by_label("On error")).to_have_value("skip")
    question.get_by_label("Rows").fill("")
    person.write(question.get_by_label("Rows"), "12")
    person.press(question.get_by_role("button", name="Answer"))

    expect(person.page.locator("#timeline")).to_contain_text(
        'Answered “{"on_error": "skip", "rows": 12}” by you'
    )


@pytest.mark.parametrize("person", WAYS[:2], indirect=True)
@pytest.mark.parametrize("place", ["list", "element"])
def test_a_card_takes_choices_and_texts_and_leads_to_a_form(
    person: Person, visitor: Visitor, asked: Callable[[Asked], str], place: str
):
    ids = {question.text: asked(question) for question in (CHOICES, TEXT, FORM)}
    page = person.page

    def card(question: Asked) -> Locator:
        if place == "list":
            return page.locator(f"task-progress[task-id='{ids[question.text]}']")
        return page.locator(f"headway-task[src$='{ids[question.text]}']")

    def said(question: Asked) -> str:
        path = f"{visitor.address}/tasks/{ids[question.text]}"
        return visitor.http.get(path, headers={"Accept": "text/html"}, timeout=10).text

    tags = "".join(
        f'<headway-task src="/status/{each}" actions></headway-task>' for each in ids.values()
    )
    script = '<script src="/assets/headway.js"></script><link rel="icon" href="data:,">'
    body = f"<!doctype html><title>Yours</title>{script}{tags}"
    page.route("**/yours", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(visitor.address + ("/yours" if place == "element" else ""))
    group = card(CHOICES).get_by_role("group", name="Delete 3 rows?")
    buttons = group.get_by_role("button")
    expect(buttons).to_have_text(["Delete", "Keep"])
    assert [ground(button) for button in buttons.all()] == [NO_GROUND, NO_GROUND]

    person.press(group.get_by_role("button", name="Delete"))
    expect(card(CHOICES)).to_have_attribute("data-phase", "queued")
    assert "Answered “Delete” by you" in said(CHOICES)

    person.write(card(TEXT).get_by_role("textbox", name="Which file?"), "rows.csv")
    person.press(card(TEXT).get_by_role("button", name="Answer"))
    expect(card(TEXT)).to_have_attribute("data-phase", "queued")
    assert "Answered “rows.csv” by you" in said(TEXT)

    person.press(card(FORM).get_by_role("link", name="Answer"))
    expect(page).to_have_url(re.compile(f"/tasks/{ids[FORM.text]}#question$"))
    expect(page.locator("#question").get_by_label("Rows")).to_be_visible()

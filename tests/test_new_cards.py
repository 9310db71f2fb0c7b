"""Many tasks that come at once, in both lists: how many cards one frame has to make and lay out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from headway.store.records import Records
from tests.by_hand import claim

ELEMENT = """<!doctype html><html lang="en"><title>Yours</title>
<headway-list src="/tasks" actions></headway-list>
<script src="/assets/headway.js"></script></html>"""
COUNT = 35
CARD_MS = 3
# By this page's clock a card takes so long to make, and all else nothing.
SLOW_CARDS = """(ms) => {
  const create = document.createElement.bind(document);
  const now = performance.now.bind(performance);
  let made = 0;
  document.createElement = (name, ...rest) => (made += name === "progress", create(name, ...rest));
  performance.now = () => now() / 1e6 + made * ms;
}"""
# Notes how many items come into the list at once, which an observer hears of once in a frame, and
# whether their tasks are drawn when they are first laid out.
OBSERVE = """(first) => {
  window.added = [];
  window.drawn = [];
  const isItem = ({ localName }) => localName === "li";
  const isDrawn = ({ target }) => drawn.push(target.querySelector("[data-version]") !== null);
  const observer = new ResizeObserver((items) => {
    items.forEach(isDrawn);
    items.forEach(({ target }) => observer.unobserve(target));
  });
  new MutationObserver((records) => {
    const nodes = new Set(records.flatMap(({ addedNodes }) => [...addedNodes]).filter(isItem));
    added.push(nodes.size);
    nodes.forEach((item) => observer.observe(item));
  }).observe(first.parentElement, { childList: true });
}"""


@pytest.mark.parametrize(
    ("path", "items"),
    [("", "#tasks ul > li"), ("/yours", "headway-list li")],
    ids=["page", "element"],
)
def test_a_frame_makes_the_new_cards_that_it_has_time_for_and_draws_them_at_once(
    page: Page, web_address: str, shared_records: Records, path: str, items: str
):
    page.route("**/yours", lambda route: route.fulfill(body=ELEMENT, content_type="text/html"))
    body = {"name": "long_task", "countdown": 3600}
    page.request.get(web_address)  # its cookie makes the owner
    first = page.request.post(f"{web_address}/tasks", data=body).json()["task_id"]
    owner = str(shared_records.client.hget(shared_records.keys.record(first), "owner"))
    page.goto(f"{web_address}{path}")
    expect(page.locator(items)).to_have_count(1)
    page.locator(items).evaluate(OBSERVE)
    page.evaluate(SLOW_CARDS, CARD_MS)

    page.context.set_offline(True)
    expect(page.get_by_text("Offline", exact=False).filter(visible=True).first).to_be_visible()
    for number in range(COUNT):
        message = {"task": "any", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
        about = {"owner": owner, "message": message, "title": f"Import {number}"}
        claim(shared_records, shared_records.starts.create(**about, max_attempts=4).task_id)
    page.context.set_offline(False)

    expect(page.locator(f"{items} [data-phase=running][data-version]")).to_have_count(COUNT)
    added = [count for count in page.evaluate("added") if count]
    assert sum(added) == COUNT
    assert max(added[1:]) == 2  # which take 6 of a frame's 8 ms; the first frame cannot know yet
    assert added[0] <= 4
    assert all(page.evaluate("drawn"))

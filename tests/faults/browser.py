"""The page in a real browser, as a process: `python -m tests.faults.browser ADDRESS COOKIES`.

Tells in a line of JSON, ten times a second, what the chip and the cards show and all that was drawn
since. It ends when its input does.
"""

from __future__ import annotations

import json
import select
import sys

from tests.faults.visitor_page import visitor_page

ROUND_MS = 100
OBSERVE = """() => {
  window.drawn = [];
  const note = (card) => window.drawn.push([
    card.getAttribute("task-id"), Number(card.dataset.version),
    card.dataset.phase, card.querySelector("progress").value]);
  const cards = (records) =>
    records.map(({ target }) => target).filter((target) => target.matches("task-progress"));
  new MutationObserver((records) => new Set(cards(records)).forEach(note))
    .observe(document.body, {
      subtree: true, attributes: true, attributeFilter: ["data-version", "data-phase"],
    });
}"""
READ = """() => ({
  chip: document.querySelector("#connection").dataset.state,
  cards: [...document.querySelectorAll("task-progress[task-id]")].map((card) =>
    [card.getAttribute("task-id"), card.dataset.phase, Number(card.dataset.version)]),
  drawn: window.drawn.splice(0),
})"""


def main(address: str, cookies: dict[str, str]) -> None:
    errors: list[str] = []
    with visitor_page(address, cookies, errors) as page:
        page.goto(address)
        page.evaluate(OBSERVE)
        while not select.select([sys.stdin], [], [], 0)[0]:
            print(json.dumps({**page.evaluate(READ), "errors": errors}), flush=True)
            errors.clear()
            page.wait_for_timeout(ROUND_MS)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))

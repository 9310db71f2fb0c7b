"""The order of a page's tasks, which the script has the same way (tests/js/order.test.js)."""

from __future__ import annotations

import json
from pathlib import Path

from headway.display.order import in_order

CASES = json.loads(Path(__file__).with_name("orders.json").read_text())


def test_what_needs_a_person_comes_first_then_what_has_ended_newest_first():
    places = [task["place"] for task in in_order(CASES["tasks"], CASES["seen"])]

    assert places == list(range(len(places)))

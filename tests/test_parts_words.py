"""How a task with parts reads, which the script says the same way (tests/js/parts.test.js)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headway.display import words

CASES = json.loads(Path(__file__).with_name("parts.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_card_says_how_a_task_is_with_its_parts(case: dict[str, Any]):
    reading = words.read(case["snapshot"], {})

    for name in ("phase", "sign", "figure", "headline", "text"):
        assert getattr(reading, name) == case[name], name

"""The words by which the Lua functions answer are all Outcomes, and each Outcome is one of them."""

from __future__ import annotations

import re

from headway.store.functions import SCRIPTS
from headway.store.model import Outcome

# Their replies are made Outcomes: headway/store/records.py, runs.py and outbox.py.
ASKED = {
    "cancel",
    "claim",
    "answer",
    "ask",
    "create",
    "defer",
    "forget",
    "log",
    "mark_lost",
    "once",
    "read_saved",
    "reschedule",
    "write",
    "write_stream",
}
SHARED = {"delivery", "transition"}
ANSWER = re.compile(r"(?:return \{?|and |or |\boutcome = )'([a-z_]+)'")


def test_each_word_of_a_lua_function_is_an_outcome():
    files = [SCRIPTS / f"{name}.lua" for name in ASKED]
    files += [SCRIPTS / "shared" / f"{name}.lua" for name in SHARED]
    lines = [line for path in files for line in path.read_text().splitlines()]
    answers = [line for line in lines if re.search(r"\breturn\b|\boutcome =", line)]

    words = {word for line in answers for word in ANSWER.findall(line)} - {"null"}  # in JSON

    assert words == set(Outcome) - {Outcome.UNSTORED}

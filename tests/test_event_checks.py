"""What Redis publishes is told from anything else, and most of a report is not parsed again."""

from __future__ import annotations

import json
import random
import re
from uuid import uuid4

import pytest

from headway import strict_json
from headway.push import checks

TASK_ID = str(uuid4())
ROOM = f"task:{TASK_ID}"
STEPS = [
    None,
    {"index": 3, "count": 7, "name": "Tokenising", "current": 1.5e-7, "total": None},
]
PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"-",
    b"null",
    b"NaN",
    b"\xff",
    b"\n",
    b" ",
]
PIECES += [
    b'"task_id":"another",',
    b'"version":01,',
    b"12345678901234567890",
    b"\\u12",
    b"e5",
    b".",
]


def report(current: int, step: dict[str, object] | None = None, status: str = "Reading") -> bytes:
    """Return an event as record.lua writes it."""
    snapshot = {"task_id": TASK_ID, "version": 1796039509431033 + current, "state": "PROGRESS"}
    moving = {"phase": "running", "current": current, "total": 100, "status": status, "step": step}
    kept = {"parts": None, "failures": 0, "title": "A task", "streams": {}}
    all_members = {**snapshot, **moving, "updated_at": "2026-11-30T11:51:49.431Z", **kept}
    text = json.dumps(["snapshot", all_members], ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def is_event(message: bytes, room: str = ROOM) -> bool:
    return checks.is_event(room, message, checks.stamp_of(message))


@pytest.mark.parametrize("step", STEPS)
def test_what_stays_in_a_tasks_reports_is_parsed_once(
    step: dict[str, object] | None, monkeypatch: pytest.MonkeyPatch
):
    parsed = []
    parse = strict_json.parse
    monkeypatch.setattr(strict_json, "parse", lambda text: parsed.append(text) or parse(text))
    checks._completes_snapshot.cache_clear()

    events = [report(number, step, 'Line "7" of 中文\\\n') for number in range(10)]

    assert all(map(is_event, events))
    assert len(parsed) == 1


def test_what_is_only_known_in_part_is_refused_as_what_is_parsed(monkeypatch: pytest.MonkeyPatch):
    dice = random.Random(15)
    sound = [report(7, step, status) for step in STEPS for status in ("", 'a "b"', "中")]
    messages = [*sound, *(_spoilt(dice.choice(sound), dice) for _ in range(20_000))]
    rooms = [ROOM, "owner:ada"]

    found = [is_event(message, room) for message in messages for room in rooms]

    monkeypatch.setattr(checks, "_CHANGING", re.compile("(?!)"))  # all are parsed
    expected = [is_event(message, room) for message in messages for room in rooms]
    assert found == expected
    assert set(found) == {True, False}


def test_an_end_that_makes_a_report_another_tasks_is_refused():
    sound = report(7)

    assert is_event(sound)
    assert not is_event(sound.replace(b'"parts"', b'"task_id":"another","parts"'))
    assert not is_event(sound[: sound.index(b'"parts"')] + b"}]")


def _spoilt(message: bytes, dice: random.Random) -> bytes:
    """Return a message with a piece put in, taken out or put in the place of another."""
    at = dice.randrange(len(message))
    piece = dice.choice([*PIECES, b""])
    return message[:at] + piece + message[at + dice.choice([0, 1, 2, 8]) :]

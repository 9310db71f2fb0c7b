"""Parses the parameters of requests strictly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import request

from headway.arguments.scalars import RFC_3339
from headway.arguments.typed import MAX_WRONG
from headway.snapshot import Phase, phases_of_state
from headway.strict_json import is_too_deep, is_whole_text, parse_sent
from headway.web.api.bounds import Within
from headway.web.api.payloads import AHEAD, CURSOR, MAX_AHEAD_SECONDS, ONE_TIME, QUERY
from headway.web.requests.errors import APIError

TOO_DEEP = APIError(400, "bad_json", "This JSON is nested too deeply.")
NO_TIME = "Must be a time with its zone: 2026-11-22T08:00:00Z."


def json_body(shape: type) -> dict[str, Any]:
    """Return the request's JSON, an object with no other keys than this TypedDict.

    Raises APIError.
    """
    keys = shape.__annotations__.keys()
    if not request.is_json:
        raise APIError(415, "not_json", "Send JSON, with Content-Type: application/json.")
    data = request.get_data()  # a body that breaks off is no JSON that is wrong
    try:
        body = parse_sent(data)
    except ValueError:
        raise APIError(400, "bad_json", "This is no JSON in UTF-8.") from None
    except RecursionError:
        raise TOO_DEEP from None
    if is_too_deep(body):
        raise TOO_DEEP
    if not is_whole_text(body):
        raise APIError(400, "bad_json", "A text in this JSON holds half a surrogate pair.")
    if not isinstance(body, dict):
        raise APIError(
            400, "bad_json", f"Send an object with these keys: {', '.join(sorted(keys))}."
        )
    if unknown := body.keys() - keys:
        raise APIError(
            400,
            "bad_request",
            "Some keys are unknown.",
            dict.fromkeys(sorted(unknown)[:MAX_WRONG], "No such key."),
        )
    return body


def when_of(body: dict[str, Any]) -> tuple[float, datetime | None]:
    """Return `(countdown in seconds, eta)`, of which one at most is given.

    A time in the past means now. Raises APIError where both are given, or one is invalid.
    """
    countdown = body.get("countdown")
    eta = body.get("eta")
    if not ONE_TIME.takes(body):
        raise APIError(
            400, "bad_time", "Give countdown or eta, not both.", {"eta": "Not with countdown."}
        )
    if countdown is not None:
        if not AHEAD.takes(countdown):
            why = f"Must be a number of seconds {AHEAD}."
            raise APIError(400, "bad_time", why, {"countdown": why})
        return float(countdown), None
    if eta is None:
        return 0.0, None
    if not isinstance(eta, str) or not RFC_3339.fullmatch(eta):
        raise APIError(400, "bad_time", NO_TIME, {"eta": NO_TIME})
    return 0.0, time_of(eta, "eta")


def time_of(text: Any, name: str, why: str = NO_TIME) -> datetime:
    """Return a time with a zone, at most a year ahead. Raises APIError, `why` if it is none."""
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        when = None
    if when is None or when.tzinfo is None:
        raise APIError(400, "bad_time", why, {name: why})
    if (when - datetime.now(UTC)).total_seconds() > MAX_AHEAD_SECONDS:
        why = "Must be within a year."
        raise APIError(400, "bad_time", why, {name: why})
    return when


def integer(text: str, name: str, bound: Within) -> int:
    """Return a whole number within this bound. Raises APIError."""
    if not text.isascii() or not text.isdigit() or len(text) > 18 or not bound.takes(int(text)):
        raise APIError(400, "bad_number", f"{name} must be {bound}.", {name: "Out of range."})
    return int(text)


def phases_asked_for() -> set[Phase]:
    """Return the phases that `?phase=` and `?state=` ask for; empty means all. Raises APIError."""
    phases: set[Phase] = set()
    for word in request.args.getlist("phase"):
        if word not in set(Phase):
            raise APIError(400, "bad_phase", f"There is no phase {word}.", {"phase": "Unknown."})
        phases.add(Phase(word))
    for word in request.args.getlist("state"):
        if not (of_state := phases_of_state(word)):
            raise APIError(400, "bad_state", f"There is no state {word}.", {"state": "Unknown."})
        phases |= of_state
    return phases


def includes_open() -> bool:
    """Return whether `?include=open` asks for older tasks that have not ended. Raises APIError."""
    included = set(request.args.getlist("include"))
    if not included <= {"open"}:
        raise APIError(
            400, "bad_include", "Only open tasks can be included.", {"include": "Unknown."}
        )
    return bool(included)


def words_asked_for() -> list[str]:
    """Return the words of `?q=`. Raises APIError for more than QUERY's characters."""
    text = request.args.get("q", "")
    if len(text) > QUERY.most:
        why = f"Search for at most {QUERY.most} characters."
        raise APIError(400, "bad_query", why, {"q": why})
    return text.split()


def cursor_of(text: str | None) -> tuple[str, str]:
    """Return the score and the task_id at which a page begins. Raises APIError."""
    found = CURSOR.fullmatch(text or "")
    if found is None:
        raise APIError(
            400, "bad_cursor", "Use the cursor from the previous answer.", {"cursor": "Malformed."}
        )
    return found[1] or "", found[2] or ""

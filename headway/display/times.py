"""Times as text in UTC, for a page before its script runs, which knows the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime

from headway.display.languages import words_of


def format_time(time: str | None) -> str:
    """Return the time of day, with the date when it is another day's; "" for none."""
    if not time:
        return ""
    moment = datetime.fromisoformat(time)
    return f"{_other_day(moment)} {moment:%H:%M:%S} UTC".lstrip()


def format_when(time: str | None) -> str:
    """Return the time of day in minutes, of another day its date; "" for none."""
    if not time:
        return ""
    moment = datetime.fromisoformat(time)
    return _other_day(moment) or f"{moment:%H:%M} UTC"


def _other_day(moment: datetime) -> str:
    """Return a moment's date, "" for today."""
    if moment.date() == datetime.now(UTC).date():
        return ""
    month = words_of("months")[str(moment.month)]
    date: str = words_of("date").format(day=moment.day, month=month, year=moment.year)
    return date

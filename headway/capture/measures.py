"""Reads how far a program is from what it prints.

Understood are percentages, counts such as `[3/10]`, sizes such as `1.2/3 MB`, curl's table and
ffmpeg's times. The kind that comes first is followed, so that other numbers in the output do not
disturb it, until several lines in a row have another kind alone: then the first was such a number
itself. Only ffmpeg's times are no accident: the statistics after them are not followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from headway.values import as_number

# Not of a negative number, nor of a part of one; dashes and dots draw a bar.
PERCENT = re.compile(r"(?<!\w)(?<!(?<!\.)\.)(?<!(?<!-)-)(\d{1,3}(?:[.,]\d+)?)\s?%")
# In brackets or after a word; in a bar, which is drawn over itself, anywhere. No dates or paths.
PAIR = r"(\d{1,3}(?:,\d{3})+|\d{1,15})(?:\s?/\s?| of )(\d{1,3}(?:,\d{3})+|\d{1,15})(?![\w/.])"
COUNT = re.compile(rf"(?:[\[(]|[A-Za-z]:? )\s*{PAIR}")
DRAWN_COUNT = re.compile(rf"(?<![\w/.,]){PAIR}")
UNIT = r"[kKMGT]?i?B"
SIZE = re.compile(rf"(?<![\w.,])(\d+(?:\.\d+)?)\s?({UNIT})?\s?/\s?~?(\d+(?:\.\d+)?)\s?({UNIT})\b")
CURL = re.compile(r"\s*(\d{1,3})\s+\S+\s+\d{1,3}\s+\S+\s+\d{1,3}\s+\S+(?:\s+\S+){6}\s*$")
# Hours of hundreds of digits would be more seconds than a float holds.
DURATION = re.compile(r"\bDuration: (\d{1,9}):(\d\d):(\d\d(?:\.\d+)?)")
TIME = re.compile(r"\b(?:out_)?time=\s*(\d{1,9}):(\d\d):(\d\d(?:\.\d+)?)")
# The lines of ffmpeg's -progress, which come by the dozen twice a second.
FIELDS = """
bitrate drop_frames dup_frames fps frame out_time out_time_ms out_time_us progress speed total_size
"""
FIELD = re.compile(rf"(?:{'|'.join(FIELDS.split())}|stream_\d+_\d+_q)=\s*\S+$")
ALL_PERCENT = 100
PATIENCE = 3  # lines of another kind before that one is followed


class Measure(NamedTuple):
    current: float
    total: float | None


Way = Callable[[str, bool], Measure | None]


class MeasureReader:
    """Reads the progress of one program, line by line."""

    def __init__(self, duration: float | None = None) -> None:
        """`duration`, in seconds, is that of what ffmpeg makes; else its input's."""
        self._duration = duration
        self._found: Way | None = None
        self._others = 0  # lines in a row that had another kind alone

    def read(self, text: str, *, is_drawn: bool = False) -> Measure | None:
        """Return what a line says of the progress, None if nothing.

        `is_drawn`: it is drawn over another line.
        """
        if self._duration is None and (found := DURATION.search(text)):
            self._duration = _seconds(found)
        if self._found and (measure := self._found(text, is_drawn)):
            self._others = 0
            return measure
        for way in (self._time, _percent, _count, _curl, _size):
            if measure := way(text, is_drawn):
                return self._follow(way, measure)
        return None

    def _follow(self, way: Way, measure: Measure) -> Measure | None:
        """Return the measure if its kind is followed from now on."""
        self._others += 1
        if self._found and (self._others < PATIENCE or self._found == self._time):
            return None
        self._found = way
        self._others = 0
        return measure

    def _time(self, text: str, is_drawn: bool) -> Measure | None:
        if text == "progress=end" and self._found and self._duration:
            return Measure(self._duration, self._duration)
        found = TIME.search(text)
        if found is None:
            return None
        seconds = _seconds(found)
        return Measure(min(seconds, self._duration or seconds), self._duration)


def is_field(text: str) -> bool:
    """Whether a line is made for programs that read it, and not for the log."""
    return bool(FIELD.match(text))


def _percent(text: str, is_drawn: bool) -> Measure | None:
    for found in PERCENT.finditer(text):
        percent = as_number(float(found[1].replace(",", ".")))
        if percent is not None and percent <= ALL_PERCENT:
            return Measure(percent, ALL_PERCENT)
    return None


def _count(text: str, is_drawn: bool) -> Measure | None:
    for found in (DRAWN_COUNT if is_drawn else COUNT).finditer(text):
        current = int(found[1].replace(",", ""))
        total = int(found[2].replace(",", ""))
        if total > 0 and current <= total:
            return Measure(current, total)
    return None


def _curl(text: str, is_drawn: bool) -> Measure | None:
    found = CURL.match(text) if is_drawn else None
    if found is None or int(found[1]) > ALL_PERCENT:
        return None
    return Measure(int(found[1]), ALL_PERCENT)


def _size(text: str, is_drawn: bool) -> Measure | None:
    """Return a size of another, both in the unit of that one."""
    for found in SIZE.finditer(text):
        total = as_number(float(found[3]))
        current = as_number(float(found[1]) * _bytes(found[2] or found[4]) / _bytes(found[4]))
        if current is not None and total is not None and 0 < total >= current:
            return Measure(current, total)
    return None


def _bytes(unit: str) -> float:
    """Return how many bytes a unit as "kB" or "MiB" is."""
    base = 1024 if "i" in unit else 1000
    return float(base ** (" kMGT".index(unit[0].replace("K", "k")) if len(unit) > 1 else 0))


def _seconds(found: re.Match[str]) -> float:
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

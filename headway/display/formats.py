"""Numbers, sizes and times as text, as format.js writes them."""

from __future__ import annotations

from math import floor

SPACE = "\u202f"  # narrow, and no line break


def format_percent(part: int) -> str:
    """Return whole percent as text."""
    return f"{part}{SPACE}%"


def format_duration(ms: float) -> str:
    """Return "m:ss", from an hour on "h:mm:ss"."""
    minutes, seconds = divmod(int(ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def format_took(ms: int) -> str:
    """Return how long something took: "32 ms", "12.4 s", "2:05"."""
    if ms < 100:
        return f"{ms}{SPACE}ms"
    return f"{ms / 1000:.1f}{SPACE}s" if ms < 60_000 else format_duration(ms)


def format_passed(ms: float) -> str:
    """Return how long something has gone on: as a duration, below a second as what it took."""
    return format_duration(ms) if ms >= 1000 else format_took(floor(ms))


def format_rate(rate: float) -> str:
    """Return a rate per second as text, per minute where it is low."""
    if rate >= 10:
        return f"{format_number(floor(rate + 0.5))}/s"
    return f"{rate:.1f}/s" if rate >= 0.1 else f"{rate * 60:.1f}/min"


def format_number(value: float) -> str:
    """Return a number as text, with at most two decimals."""
    return f"{value:,.2f}".rstrip("0").rstrip(".").replace(",", SPACE)


def format_size(size: int) -> str:
    """Return a size in bytes as text."""
    if size < 1000:
        return f"{size}{SPACE}B"
    if size < 999_500:
        return f"{round(size / 1000)}{SPACE}kB"
    megabytes = size / 1_000_000
    return f"{megabytes:.1f}{SPACE}MB" if megabytes < 9.95 else f"{round(megabytes)}{SPACE}MB"

"""What can be pressed lies over nothing else that can be: measured in a browser, at each width."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from tests.processes import wait_for

WIDTHS = (320, 480, 768, 1000, 1280, 1600)
SHARED = Path(__file__).with_suffix(".js").read_text("utf-8")


def overlaps(page: Page) -> list[str]:
    """Return the pairs of what can be pressed that lie over each other now."""
    return list(page.evaluate(SHARED))


def expect_apart(page: Page) -> None:
    """Wait, at each width, until nothing that can be pressed lies over another such thing."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        try:
            wait_for(lambda: not overlaps(page), seconds=5)
        except AssertionError:
            raise AssertionError(f"at {width} px: {overlaps(page)}") from None

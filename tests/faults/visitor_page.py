"""A page in a real browser, with a visitor's cookies, for a process that watches it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from tests.chromium import options


@contextmanager
def visitor_page(address: str, cookies: dict[str, str], errors: list[str]) -> Iterator[Page]:
    """Yield a page that adds what goes wrong in it to `errors`. Exits without Chromium."""
    chromium = options()
    if chromium is None:
        sys.exit("No Chromium: install Debian's package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium)
        context = browser.new_context()
        context.add_cookies(
            [{"name": name, "value": value, "url": address} for name, value in cookies.items()]
        )
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()

"""A browser that others steer, as a process: `python -m tests.faults.browser`.

Does what each line of its input asks, and answers with a line: both are JSON. Ends with its input.

{"open": COOKIES, "address": URL} opens an empty page, of a visitor with these cookies, and gives
its number. {"page": NUMBER, "goto": URL} gives whether that was loaded, {"page": NUMBER,
"evaluate": SCRIPT} what the script returns, and {"page": NUMBER, "close": true} nothing. Each
answer is {"value": ..., "errors": [...]}, with what went wrong in the page since the last one.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.chromium import options


class Tab:
    """A page of a visitor, whose cookies no other one has."""

    def __init__(self, browser: Browser, cookies: dict[str, str], address: str) -> None:
        self._errors: list[str] = []
        self._context = browser.new_context()
        self._context.add_cookies(
            [{"name": name, "value": value, "url": address} for name, value in cookies.items()]
        )
        self._page: Page = self._context.new_page()
        self._page.on("pageerror", lambda error: self._errors.append(str(error)))

    def do(self, asked: dict[str, Any]) -> Any:
        """Do what is asked of this page."""
        if "close" in asked:
            return self._context.close()
        if "goto" in asked:
            return self._goto(asked["goto"])
        return self._page.evaluate(asked["evaluate"])

    def errors(self) -> list[str]:
        """Return what went wrong since this was asked."""
        found = self._errors.copy()
        self._errors.clear()
        return found

    def _goto(self, url: str) -> bool:
        try:
            response = self._page.goto(url)
        except Error:
            return False
        return response is not None and response.ok


def serve(browser: Browser) -> None:
    """Answer what is asked, until nobody is left to ask."""
    tabs: dict[int, Tab] = {}
    numbers = count(1)
    for line in sys.stdin:
        asked = json.loads(line)
        if "open" in asked:
            number = value = next(numbers)
            tabs[number] = Tab(browser, asked["open"], asked["address"])
        else:
            number = asked["page"]
            value = tabs[number].do(asked)
        print(json.dumps({"value": value, "errors": tabs[number].errors()}), flush=True)
        if "close" in asked:
            del tabs[number]


def main() -> None:
    chromium = options()
    if chromium is None:
        sys.exit("No Chromium: install Debian's package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium)
        serve(browser)
        browser.close()


if __name__ == "__main__":
    main()

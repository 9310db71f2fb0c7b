"""Makes the pictures of docs/running.md from a running system: `make screenshots`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from bench.rows.drawing import chromium
from tests.processes import ROOT, System


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        system = System(Path(folder), LONG_TASK_STEPS="24", LONG_TASK_STEP_SECONDS="0.5")
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1000, "height": 820}, device_scale_factor=2)
            page.goto(system.address)
            expect(page.locator("#connection")).to_have_text(re.compile("Live"))
            page.locator("#email").fill("ada@example.com")
            page.get_by_role("button", name="Send", exact=True).click()
            expect(page.locator('task-progress[data-phase="succeeded"]')).to_have_count(1)
            page.locator("#email").fill("grace@example.com")
            page.get_by_role("button", name="Send in 1 minute").click()
            for pause in (3500, 2500):
                page.get_by_role("button", name="Start long task").click()
                page.wait_for_timeout(pause)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
                page.wait_for_timeout(600)
                page.screenshot(path=ROOT / "docs" / f"page-{scheme}.png")
            browser.close()
        finally:
            system.stop()


if __name__ == "__main__":
    main()

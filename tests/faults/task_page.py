"""A task's page in a real browser, as a process: `... task_page ADDRESS TASK_ID COOKIES`.

Does what each line of its input says, and answers with a line of JSON: "load" opens the page anew,
"text" returns the text of its stream, and what went wrong in the page since. Ends with its input.
"""

from __future__ import annotations

import json
import sys
import time

from playwright.sync_api import Error, Page

from tests.faults.stories import STREAM
from tests.faults.visitor_page import visitor_page

AGAIN_SECONDS = 0.3
PATIENCE_SECONDS = 30.0
# Of a long text a page that is opened shows the end, and offers the whole as a file.
TEXT = f"""async () => {{
  const section = document.querySelector("#stream-{STREAM}");
  const drawn = section?.querySelector("pre").textContent ?? "";
  const note = section?.querySelector('[data-part="stream-cut"]');
  if (!note || note.hidden) return drawn;
  const whole = await (await fetch(section.querySelector("a").href)).text();
  return drawn && whole.endsWith(drawn) ? whole : drawn;
}}"""


def load(page: Page, url: str) -> None:
    """Open the page, as a person does who tries again while no server answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            response = page.goto(url)
        except Error:
            response = None
        if response is not None and response.ok:
            return
        if time.monotonic() > deadline:
            sys.exit(f"{url} does not open")
        time.sleep(AGAIN_SECONDS)


def main(address: str, task_id: str, cookies: dict[str, str]) -> None:
    errors: list[str] = []
    with visitor_page(address, cookies, errors) as page:
        for line in sys.stdin:
            if line.strip() == "load":
                load(page, f"{address}/tasks/{task_id}")
            print(json.dumps({"text": page.evaluate(TEXT), "errors": errors}), flush=True)
            errors.clear()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))

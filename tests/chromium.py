"""Which browser the tests start, and how."""

from __future__ import annotations

import os
import shutil
from typing import Any

WHOLE = ("chromium", "chromium-browser", "google-chrome")
# The shell draws the same pages by the same engine for half the processor time.
LEANEST_FIRST = ("chromium-headless-shell", *WHOLE)
# All visitors of a browser in one process: a first visit and a reload cost the processor 0.28 to
# 0.32 s instead of 0.36 to 0.41.
ONE_PROCESS = "--renderer-process-limit=1"

# A page that a test fulfils has no address, and counts as of the internet: no websocket of its own
# to the server under test would be let through, and the page would poll. Of any port.
ONE_ADDRESS_SPACE = "--ip-address-space-overrides=127.0.0.1:0=public"


def options(names: tuple[str, ...] = LEANEST_FIRST) -> dict[str, Any] | None:
    """Return how to launch the first of `names` that is there, None where none is."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        return None
    # Chromium's sandbox needs rights that root in a container has not.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {
        "executable_path": path,
        "args": [*flags, ONE_PROCESS, ONE_ADDRESS_SPACE, "--disable-background-networking"],
    }

"""Which browser the tests start, and how."""

from __future__ import annotations

import os
import shutil
from typing import Any

WHOLE = ("chromium", "chromium-browser", "google-chrome")
# The shell draws the same pages by the same engine for half the processor time.
LEANEST_FIRST = ("chromium-headless-shell", *WHOLE)


def options(names: tuple[str, ...] = LEANEST_FIRST) -> dict[str, Any] | None:
    """Return how to launch the first of `names` that is there, None where none is."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        return None
    # Chromium's sandbox needs rights that root in a container has not.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {"executable_path": path, "args": [*flags, "--disable-background-networking"]}

"""The data folder of this machine, and the addresses of the services that `make run` started."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PRIVATE_UMASK = 0o077


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder for data that survives a restart (`DATA_DIR`, else `.data`)."""
    return Path(environ.get("DATA_DIR") or ROOT / ".data")


def services(folder: Path) -> dict[str, Any]:
    """Return the embedded services of `make run`, `{"redis_url", "inbox_port"}`, or `{}`."""
    try:
        found = json.loads((folder / "services.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Create files and folders in this block that are readable by their owner alone."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def make_private(folder: Path) -> None:
    """Make a folder, or an existing one that is ours, readable by its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # another user's, who decides
        folder.chmod(0o700)

"""Where this machine keeps what outlives a restart, and where `make run` started its services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder for what outlives a restart on this machine (`DATA_DIR`, else `.data`)."""
    return Path(environ.get("DATA_DIR") or ROOT / ".data")


def services(folder: Path) -> dict[str, Any]:
    """Return where `make run` started the embedded services: `{"redis_url", "inbox_port"}`, or
    `{}`.
    """
    try:
        found = json.loads((folder / "services.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

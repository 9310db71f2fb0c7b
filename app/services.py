"""The data folder of this machine, and the addresses of the services that `make run` started."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


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

"""Headway: slow work in the background, shown live and correctly in the browser.

These are its public names; `progress` is the module of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.celery.runs import Stopped
from headway.exceptions import ConfigError, HeadwayError
from headway.registry import task
from headway.snapshot import Phase, Snapshot
from headway.tokens import token

if TYPE_CHECKING:
    from headway.extension import Headway

__all__ = ["ConfigError", "Headway", "HeadwayError", "Phase", "Snapshot", "Stopped", "task", "token"]


def __getattr__(name: str) -> Any:
    """Import the extension when it is asked for: a worker of a project without Flask is spared Socket.IO."""
    if name != "Headway":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from headway.extension import Headway

    return Headway

"""Headway: slow work in the background, shown live and correctly in the browser.

This package holds its public names; `progress` is the module of that name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.arguments.annotations import Email
    from headway.celery.runs import Stopped
    from headway.exceptions import (
        ConfigError,
        HeadwayError,
        ProgramFailed,
        Unanswered,
        UploadExpired,
    )
    from headway.extension import Headway
    from headway.files.upload import Upload
    from headway.registry import task
    from headway.revoking import revoke
    from headway.snapshot import Phase, Snapshot
    from headway.store.errors import RedisUnavailable
    from headway.tokens import token
    from headway.typed_results import Image, Markdown, Plot

__all__ = [
    "ConfigError",
    "Email",
    "Headway",
    "HeadwayError",
    "Image",
    "Markdown",
    "Phase",
    "Plot",
    "ProgramFailed",
    "RedisUnavailable",
    "Snapshot",
    "Stopped",
    "Unanswered",
    "Upload",
    "UploadExpired",
    "revoke",
    "task",
    "token",
]

HOMES = {
    "ConfigError": "headway.exceptions",
    "Email": "headway.arguments.annotations",
    "Headway": "headway.extension",
    "HeadwayError": "headway.exceptions",
    "Image": "headway.typed_results",
    "Markdown": "headway.typed_results",
    "Phase": "headway.snapshot",
    "Plot": "headway.typed_results",
    "ProgramFailed": "headway.exceptions",
    "RedisUnavailable": "headway.store.errors",
    "Snapshot": "headway.snapshot",
    "Stopped": "headway.celery.runs",
    "Unanswered": "headway.exceptions",
    "Upload": "headway.files.upload",
    "UploadExpired": "headway.exceptions",
    "revoke": "headway.revoking",
    "task": "headway.registry",
    "token": "headway.tokens",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first accessed.

    So the worker of a project without Flask does not import Socket.IO, nor a test run without
    Headway's fixtures Celery.
    """
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(HOMES[name]), name)
    return found

"""Headway: slow work in the background, shown live and correctly in the browser.

This package holds the names that every project may need; `progress` is the module of that name.
Names for a Flask app that is built on Headway stand in `headway.views`, `texts`, `checks`,
`config`, `secrets`, `patching` and `server`. All other modules are Headway's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.arguments.annotations import Email, Example
    from headway.arguments.signatures import BadArguments
    from headway.celery.later import failures_of, retry_later
    from headway.celery.messages.broker import FailFastCelery
    from headway.celery.run.runs import Stopped
    from headway.display.labels import Labels
    from headway.exceptions import (
        ConfigError,
        HeadwayError,
        OutcomeUnknown,
        ProgramFailed,
        Unanswered,
        UploadExpired,
    )
    from headway.extension import Headway
    from headway.files.upload import Upload
    from headway.limits import LimitReached
    from headway.registry import task
    from headway.revoking import revoke
    from headway.service import NotKept
    from headway.snapshot import Phase, Snapshot
    from headway.store.errors import RedisUnavailable
    from headway.store.model import TooLate
    from headway.tokens import token
    from headway.typed_results import Image, Markdown, Plot

__all__ = [
    "BadArguments",
    "ConfigError",
    "Email",
    "Example",
    "FailFastCelery",
    "Headway",
    "HeadwayError",
    "Image",
    "Labels",
    "LimitReached",
    "Markdown",
    "NotKept",
    "OutcomeUnknown",
    "Phase",
    "Plot",
    "ProgramFailed",
    "RedisUnavailable",
    "Snapshot",
    "Stopped",
    "TooLate",
    "Unanswered",
    "Upload",
    "UploadExpired",
    "failures_of",
    "retry_later",
    "revoke",
    "task",
    "token",
]

HOMES = {
    "BadArguments": "headway.arguments.signatures",
    "ConfigError": "headway.exceptions",
    "Email": "headway.arguments.annotations",
    "Example": "headway.arguments.annotations",
    "FailFastCelery": "headway.celery.messages.broker",
    "Headway": "headway.extension",
    "HeadwayError": "headway.exceptions",
    "Image": "headway.typed_results",
    "Labels": "headway.display.labels",
    "LimitReached": "headway.limits",
    "Markdown": "headway.typed_results",
    "NotKept": "headway.service",
    "OutcomeUnknown": "headway.exceptions",
    "Phase": "headway.snapshot",
    "Plot": "headway.typed_results",
    "ProgramFailed": "headway.exceptions",
    "RedisUnavailable": "headway.store.errors",
    "Snapshot": "headway.snapshot",
    "Stopped": "headway.celery.run.runs",
    "TooLate": "headway.store.model",
    "Unanswered": "headway.exceptions",
    "Upload": "headway.files.upload",
    "UploadExpired": "headway.exceptions",
    "failures_of": "headway.celery.later",
    "retry_later": "headway.celery.later",
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

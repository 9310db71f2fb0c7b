"""For a program that holds secrets: none is shown in a log, a traceback or a task's text."""

from headway.masking import (
    guard_process,
    mask,
    mask_addresses,
    passwords_in,
    set_secrets,
    without_secret,
)
from headway.weak_secrets import is_secret, is_weak

__all__ = [
    "guard_process",
    "is_secret",
    "is_weak",
    "mask",
    "mask_addresses",
    "passwords_in",
    "set_secrets",
    "without_secret",
]

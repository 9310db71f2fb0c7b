"""Reads a project's key from its settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway import settings
from headway.exceptions import ConfigError

if TYPE_CHECKING:
    from headway.webpush.keys import PushKey

CONTACT = re.compile(r"(mailto:[^\s@]+@|https://)[^\s@]+")
NOT_INSTALLED = (
    "headway_push_key is set, but cryptography is not installed: pip install 'headway[push]'."
)


def push_key(conf: Mapping[str, Any]) -> PushKey | None:
    """Return the key of a Celery app's settings, None where it uses no Web Push.

    Raises ConfigError for a wrong setting, or where what encrypts is not installed.
    """
    path = settings.PUSH_KEY.read(conf)
    if not path:
        return None
    contact = settings.PUSH_CONTACT.read(conf) or ""
    if contact and not CONTACT.fullmatch(contact):
        raise ConfigError(
            "headway_push_contact must be an address as mailto:ada@example.com or "
            f"https://example.com/contact, not {contact!r}."
        )
    if find_spec("cryptography") is None:
        raise ConfigError(NOT_INSTALLED)
    # Not at the top: only projects with Web Push need cryptography.
    from headway.webpush.keys import load_or_make

    return load_or_make(Path(path).expanduser(), contact)

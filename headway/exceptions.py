"""The exceptions that Headway raises for its callers to catch."""

from __future__ import annotations


class HeadwayError(Exception):
    """Anything that Headway refuses or cannot do."""


class ConfigError(HeadwayError, ValueError):
    """A setting that cannot be used; the message names it and says what to do."""

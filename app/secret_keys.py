"""The keys that sign cookies: checks their strength, and keeps secrets that are made here."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from app.services import make_private
from headway import ConfigError
from headway.secrets import is_weak, set_secrets

RANDOM_SECRET = "a random secret of 16 characters or more"
HOW_TO_MAKE = "python -c 'import secrets; print(secrets.token_hex(32))' makes one"


def secret_key(environ: Mapping[str, str], folder: Path, production: bool) -> str:
    """Return SECRET_KEY. Raises ConfigError for a weak one in production.

    In development one is made if needed and stored, so that cookies survive a restart.
    """
    key = environ.get("SECRET_KEY", "")
    if production:
        if is_weak(key):
            raise ConfigError(f"SECRET_KEY must be {RANDOM_SECRET} in production: {HOW_TO_MAKE}.")
        return key
    if key:
        return key
    stored = stored_secret(folder / "secret_key")
    set_secrets("SECRET_KEY", [stored])
    return stored


def old_secret_keys(environ: Mapping[str, str], production: bool) -> list[str]:
    """Return SECRET_KEY_FALLBACKS: former keys, whose cookies are still accepted.

    Raises ConfigError for a weak one in production.
    """
    keys = environ.get("SECRET_KEY_FALLBACKS", "").split()
    if production and any(map(is_weak, keys)):
        raise ConfigError(
            "SECRET_KEY_FALLBACKS holds a weak key, by which anybody could sign cookies: "
            f"each must be {RANDOM_SECRET} in production. Leave it out; its cookies are not taken "
            "any more."
        )
    return keys


def stored_secret(path: Path) -> str:
    """Return the secret in a file; it is made if it is not there."""
    make_private(path.parent)
    if not path.exists():
        # Linked when complete: of processes that start at once one wins, and none reads half a
        # secret.
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:
            draft.write(secrets.token_hex(32))
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text()

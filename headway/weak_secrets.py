"""Tells secrets that are easily guessed."""

from __future__ import annotations

from collections.abc import Iterable

from headway.exceptions import ConfigError

WEAK_SECRETS = {
    "",
    "dev",
    "guest",
    "secret",
    "changeme",
    "change-me",
    "password",
    "top-secret!",
}
MIN_SECRET = 16
MIN_CHARACTERS = 6  # different ones; 16 random hexadecimal digits have 10
HOW_TO_MAKE = "python -c 'import secrets; print(secrets.token_hex(32))' makes one"

WEAK_SECRET = (
    "{name} must hold random secrets of {length} characters or more, since anyone who guesses one "
    "can make a token for every task. {how}; set it where the tokens are made too."
)


def refuse_weak(name: str, secrets: Iterable[str]) -> None:
    """Raise ConfigError if any of a setting's secrets is easily guessed."""
    if any(map(is_weak, secrets)):
        raise ConfigError(WEAK_SECRET.format(name=name, length=MIN_SECRET, how=HOW_TO_MAKE))


def is_weak(secret: str) -> bool:
    """Whether a secret is easily guessed: a common word, too short, or of few characters."""
    return (
        secret.lower() in WEAK_SECRETS
        or len(secret) < MIN_SECRET
        or len(set(secret)) < MIN_CHARACTERS
    )


def is_secret(text: str) -> bool:
    """Whether a text is worth masking; a common word occurs in too many log lines."""
    return text.lower() not in WEAK_SECRETS

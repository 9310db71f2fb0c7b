"""Checks the mail settings, and fills in those of the development inbox."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from app import mailbox
from app.services import services
from headway import ConfigError

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*\Z")


def refuse_bad_login(settings: Mapping[str, Any]) -> None:
    """Refuse control characters in the login. Raises ConfigError.

    A mail server gets both in UTF-8 (RFC 4616), which allows all other characters.
    """
    for name in ("MAIL_USERNAME", "MAIL_PASSWORD"):
        if any(unicodedata.category(char) == "Cc" for char in settings[name]):
            raise ConfigError(
                f"{name} must not hold a line end or another control character: remove it."
            )


def refuse_bad_hostname(name: str) -> None:
    if name and not HOSTNAME.match(name) and not _is_address_literal(name):
        raise ConfigError(
            "MAIL_LOCAL_HOSTNAME must be this machine's name as the mail server is to hear "
            "it (EHLO), "
            "as mailer.example.com, or an address in brackets, as [192.0.2.1] or "
            "[IPv6:2001:db8::1]."
        )


def _is_address_literal(text: str) -> bool:
    if not (text.startswith("[") and text.endswith("]")):
        return False
    kind, _, address = text[1:-1].rpartition("IPv6:")
    with contextlib.suppress(ValueError):
        return not kind and bool(
            IPv6Address(address) if text.startswith("[IPv6:") else IPv4Address(address)
        )
    return False


def normalized_sender(text: str) -> str:
    try:
        return mailbox.normalize(text)
    except mailbox.BadMailbox as error:
        raise ConfigError(f"MAIL_DEFAULT_SENDER {error}.") from None


def mail_settings(settings: Mapping[str, Any], production: bool) -> dict[str, Any]:
    """Return the settings that follow from MAIL_SERVER. Raises ConfigError.

    Without it, emails go to the development inbox on this machine.
    """
    if settings["MAIL_SERVER"]:
        return {"MAIL_INBOX": None}
    if production:
        raise ConfigError(
            "Set MAIL_SERVER in production: the development inbox sends nothing to anybody."
        )
    return {
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": services(settings["DATA_DIR"]).get("inbox_port", 2525),
        "MAIL_USE_TLS": False,
        "MAIL_USE_SSL": False,
        "MAIL_USERNAME": "",
        "MAIL_PASSWORD": "",
        "MAIL_INBOX": settings["DATA_DIR"] / "inbox",
    }

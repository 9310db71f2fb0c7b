"""Subscriptions: where, and under which keys, a browser is told by Web Push.

An endpoint is an address that a browser says, so anybody may say any. Only https on its own port
is taken, of a host that has a name; delivery.py looks at what that name leads to.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

MAX_ENDPOINT = 2048  # characters
# No resolver takes a longer part of a name; an IP address has none that begins with a letter.
ENDPOINT = re.compile(r"https://([a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{0,62}(:443)?/[!-~]*", re.ASCII)
# In base64url, padded or not: an uncompressed point of P-256 in 65 bytes, and 16 bytes.
P256DH = re.compile(r"[A-Za-z0-9_-]{87}=?")
AUTH = re.compile(r"[A-Za-z0-9_-]{22}(?:==)?")


class BadSubscription(ValueError):
    """A subscription cannot be used; `field` says what of it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


@dataclass(frozen=True)
class Subscription:
    """A browser's subscription: its endpoint, its public key and its secret (RFC 8291).

    `language` is the tag of the one in which it is told.
    """

    endpoint: str
    p256dh: bytes
    auth: bytes
    language: str = "en"

    @property
    def digest(self) -> str:
        """What the browser is known by."""
        return digest_of(self.endpoint)

    @property
    def origin(self) -> str:
        """The push service, as `https://push.example.com`."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"

    def as_json(self) -> dict[str, str]:
        """Return what `parse_subscription` takes."""
        return {
            "endpoint": self.endpoint,
            "p256dh": to_base64(self.p256dh),
            "auth": to_base64(self.auth),
            "language": self.language,
        }


def digest_of(endpoint: str) -> str:
    """Return what the browser with this endpoint is known by."""
    return sha256(endpoint.encode()).hexdigest()


def parse_subscription(endpoint: Any, keys: Mapping[str, Any]) -> Subscription:
    """Return a subscription as a browser describes it. Raises BadSubscription."""
    return Subscription(
        parse_endpoint(endpoint),
        _key(keys, "p256dh", P256DH, 65),
        _key(keys, "auth", AUTH, 16),
    )


def parse_endpoint(endpoint: Any) -> str:
    """Return an endpoint. Raises BadSubscription."""
    if not isinstance(endpoint, str) or len(endpoint) > MAX_ENDPOINT:
        raise BadSubscription("endpoint", f"Must be a text of at most {MAX_ENDPOINT} characters.")
    if not ENDPOINT.fullmatch(endpoint):
        raise BadSubscription("endpoint", "Must be an https address of a public push service.")
    return endpoint


def to_base64(data: bytes) -> str:
    """Return bytes in base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    """Return the bytes of a text in base64url, padded or not. Raises ValueError."""
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


def _key(keys: Mapping[str, Any], name: str, form: re.Pattern[str], size: int) -> bytes:
    text = keys.get(name)
    if not isinstance(text, str) or not form.fullmatch(text):
        raise BadSubscription(name, f"Must be {size} bytes in base64url.")
    return from_base64(text)

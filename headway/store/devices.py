"""The browsers that Web Push tells of an owner's tasks, and of which tasks there is news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from headway import strict_json
from headway.snapshot import fragment
from headway.store import damaged
from headway.store.functions import Functions
from headway.webpush.subscriptions import Subscription, parse_subscription

DEVICE_MS = 90 * 24 * 3600 * 1000  # for which a browser is kept after its last visit
MAX_DEVICES = 10  # of an owner


class News(NamedTuple):
    """A task of which its owner is to be told."""

    task_id: str
    owner: str


class DeviceRecords:
    """Notes and forgets browsers, and hands out news."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def note(self, owner: str, subscription: Subscription) -> None:
        """Note that a browser is to be told of an owner's tasks, and of nobody else's.

        Beyond MAX_DEVICES the owner's oldest one goes.
        """
        about = fragment(subscription.as_json())
        args = [owner, subscription.digest, about, DEVICE_MS, MAX_DEVICES]
        self._functions.call("note_device", [], args)

    def forget(self, owner: str, digest: str) -> None:
        """Forget one of an owner's browsers, by the digest of its endpoint."""
        self._functions.call("forget_devices", [], [owner, digest])

    def forget_all(self, owner: str) -> None:
        """Forget all of an owner's browsers."""
        self._functions.call("forget_devices", [], [owner, ""])

    def visit(self, owner: str, digest: str) -> bool:
        """Whether a browser is among an owner's; it is kept for longer then."""
        client = self._functions.client
        devices = self._keys.devices(owner)
        if not damaged.unless_damaged(False, client.hexists, devices, digest):
            return False
        client.pexpire(devices, DEVICE_MS)
        client.pexpire(self._keys.device(digest), DEVICE_MS)
        return True

    def of(self, owner: str) -> list[Subscription]:
        """Return an owner's browsers, those whose subscription is intact."""
        read = self._functions.client.hvals
        texts = damaged.unless_damaged((), read, self._keys.devices(owner))
        return [found for text in texts if (found := _subscription(str(text)))]

    def take_news(self, limit: int) -> list[News]:
        """Take news that no other process gets from now on, of owners without an open page."""
        flat = self._functions.call("take_news", [], [limit])
        return [News(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]


def _subscription(text: str) -> Subscription | None:
    """Return a subscription that was noted as this JSON; None where that is damaged."""
    try:
        kept = strict_json.parse(text)
        if not isinstance(kept, Mapping):
            return None
        found = parse_subscription(kept.get("endpoint"), kept)
        language = kept.get("language")
        return replace(found, language=language) if isinstance(language, str) else found
    except ValueError:
        return None

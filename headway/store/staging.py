"""Large texts that wait in Redis, piece by piece, for the write that takes them over."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from uuid import uuid4

from headway.store.errors import RedisUnavailable
from headway.store.functions import Functions
from headway.store.model import PIECE_BYTES

STAGED_SECONDS = 60.0  # for which a text waits for its write


class Staging:
    """Stages large texts for a write: sent in one call, they would block Redis."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def put(self, text: str | bytes) -> str:
        """Put a text into Redis piece by piece, and return the key where it waits."""
        key = self._keys.staged(uuid4().hex)
        data = text.encode() if isinstance(text, str) else text
        # From its end, so that the first piece makes room for all.
        for start in reversed(range(0, len(data), PIECE_BYTES)):
            piece = data[start : start + PIECE_BYTES]
            self._functions.call("stage", [key], [start, piece, int(STAGED_SECONDS * 1000)])
        return key

    def clear(self, keys: Iterable[str]) -> None:
        """Delete what still waits under these keys; if Redis is away, it expires."""
        with suppress(RedisUnavailable):
            self._functions.client.unlink(*keys)

"""Waits for results in Celery's `get`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from celery.backends.redis import ResultConsumer

from headway.store.errors import RedisUnavailable

READ_AGAIN_SECONDS = 1.0  # between two reads while waiting for a result


class PollingResultConsumer(ResultConsumer):
    """Waits for results as Celery's own consumer does, and also reads them each second.

    Celery's own relies on pushes alone once it has subscribed and read. These use two connections,
    so Redis may see the read first; a result stored between the two is then pushed to nobody.
    """

    def drain_events_until(
        self, p: Any, timeout: float | None = None, on_interval: Any = None
    ) -> Iterator[None]:
        """Wait until the promise `p` is ready; raises TimeoutError after `timeout` seconds."""
        read_at = time.monotonic()
        for _ in super().drain_events_until(p, timeout, on_interval):
            if time.monotonic() - read_at >= READ_AGAIN_SECONDS:
                self._read()
                read_at = time.monotonic()
            yield

    def _read(self) -> None:
        keys = list(self.subscribed_to)
        client = self.backend.records.client
        with suppress(RedisUnavailable):
            for meta in client.execute_command("MGET", *keys, NEVER_DECODE=True) if keys else ():
                if meta:
                    self.on_state_change(self._decode_result(meta), None)

"""Tells owners of their tasks by Web Push while no page of theirs is open.

In the worker's maintenance, and each delivery in a thread of its own: a push service that does not
answer holds up no task, no lease and no other sweep.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from headway.display.languages import speaking
from headway.store.devices import News
from headway.store.errors import RedisUnavailable
from headway.throttled import ThrottledLogger
from headway.webpush import delivery
from headway.webpush.messages import Message, message_of
from headway.webpush.settings import push_key
from headway.webpush.subscriptions import Subscription

if TYPE_CHECKING:
    from headway.webpush.keys import PushKey

logger = ThrottledLogger(logging.getLogger(__name__))

MAX_AT_ONCE = 8  # tasks that are told of at a time
# For all browsers of an owner. Those of one whose push services do not answer would otherwise keep
# the threads from everybody else.
OWNER_SECONDS = 30.0
RETRY_SECONDS = 5.0
TTL_SECONDS = 24 * 3600  # by the push service, for a device that is off
GONE = frozenset({404, 410})  # the browser has withdrawn its subscription

# Hands a body with headers to an endpoint; see delivery.post.
Post: TypeAlias = Callable[[str, Mapping[str, str], bytes], int]


class WebPusher:
    """Takes news from Redis, each of it once among all workers, and tells the owners' browsers."""

    def __init__(self, backend: Any, post: Post = delivery.post) -> None:
        """Raises ConfigError as `push_key` does."""
        self._records = backend.records
        self._key = push_key(backend.app.conf)
        self._post = post
        self._at_once = threading.BoundedSemaphore(MAX_AT_ONCE)

    def push_news(self) -> None:
        """Begin to tell of what there is, as far as threads are free. Raises RedisUnavailable."""
        if self._key is None:
            return
        free = 0
        while free < MAX_AT_ONCE and self._at_once.acquire(blocking=False):
            free += 1
        begun = 0
        try:
            for news in self._records.devices.take_news(free) if free else ():
                args = (news, self._key)
                threading.Thread(target=self._run, args=args, name="web push", daemon=True).start()
                begun += 1
        finally:
            for _ in range(free - begun):
                self._at_once.release()

    def _run(self, news: News, key: PushKey) -> None:
        try:
            self._push(news, key)
        except RedisUnavailable as error:
            logger.warning("A task's owner is not told by Web Push: %s", error)
        except Exception as error:
            logger.warning("Web Push of task %s failed: %s", news.task_id, type(error).__name__)
        finally:
            self._at_once.release()

    def _push(self, news: News, key: PushKey) -> None:
        [stored] = self._records.read([news.task_id])
        if stored is None:
            return
        task = json.loads(stored.snapshot)
        until = time.monotonic() + OWNER_SECONDS
        for device in self._records.devices.of(news.owner):
            with speaking(device.language):
                message = message_of(task)
            if message is None:
                return
            self._push_to_device(news.owner, device, message, key)
            if time.monotonic() > until:
                logger.warning("Web Push of task %s took too long for some browsers", news.task_id)
                return

    def _push_to_device(
        self, owner: str, device: Subscription, message: Message, key: PushKey
    ) -> None:
        # Not at the top: only projects with Web Push have cryptography.
        from headway.webpush.encryption import encrypt

        try:
            body = encrypt(message.text, device)
        except ValueError:  # a key that is no point of the curve
            self._records.devices.forget(owner, device.digest)
            return
        headers = {
            "Authorization": key.authorization(device.origin),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Topic": message.topic,
        }
        status, why = self._try(device, headers, body)
        if status == 0 or status == 429 or status >= 500:
            time.sleep(RETRY_SECONDS)
            status, why = self._try(device, headers, body)
        if status in GONE:
            self._records.devices.forget(owner, device.digest)
        elif not 200 <= status < 300:
            logger.warning("The push service %s takes no message: %s", device.origin, why)

    def _try(
        self, device: Subscription, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        """Return the status of the push service's answer, 0 without one, and what it means."""
        try:
            status = self._post(device.endpoint, headers, body)
        except OSError as error:
            return 0, str(error) or type(error).__name__
        return status, f"HTTP {status}"

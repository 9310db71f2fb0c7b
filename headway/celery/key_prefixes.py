"""The prefixes under which a Celery app's results and messages lie, by its `global_keyprefix`es."""

from __future__ import annotations

from typing import Any

from celery.exceptions import ImproperlyConfigured

from headway.store.keys import TASK_KEYPREFIX, Keys


def keys_of(app: Any, task_keyprefix: bytes) -> Keys:
    """Return the names of what an app has in Redis.

    `task_keyprefix` is its result backend's, which has the prefix of results as Celery writes it:
    with a "_" behind it where it ends in no separator. Raises ImproperlyConfigured for a prefix
    that cannot be used.
    """
    prefix = task_keyprefix.decode().removesuffix(TASK_KEYPREFIX)
    broker_prefix = (app.conf.broker_transport_options or {}).get("global_keyprefix", "")
    try:
        return Keys(prefix, broker_prefix)
    except ValueError as error:
        raise ImproperlyConfigured(f"global_keyprefix: {error}.") from None

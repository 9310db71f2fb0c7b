"""Where a Celery app's broker is."""

from __future__ import annotations

from typing import Any

from headway.store.redis_url import is_same_database


def unacked_keys(app: Any, url: str) -> str:
    """Return where the broker holds unacknowledged messages, as "<hash> <index>".

    "" where the broker is not in the Redis of `url`, which has the records.
    """
    options = app.conf.broker_transport_options
    if not is_same_database(broker_url(app), url):
        return ""
    names = [options.get(f"{name}_key", name) for name in ("unacked", "unacked_index")]
    return " ".join(f"{options.get('global_keyprefix', '')}{name}" for name in names)


def visibility_days(app: Any) -> float:
    """Return a Redis broker's visibility timeout plus a day, in days; 0 for another broker."""
    seconds = app.conf.broker_transport_options.get("visibility_timeout", 3600)
    return seconds / 86400 + 1 if broker_url(app).startswith("redis") else 0.0


def broker_url(app: Any) -> str:
    """Return the URL of the broker that messages are received from; of several, the first."""
    url = app.conf.broker_read_url or app.conf.broker_url or ""
    return str(url[0] if isinstance(url, list | tuple) else url).partition(";")[0]

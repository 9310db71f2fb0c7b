"""What clients of the HTTP API ask for, and how many tasks they have started."""

from __future__ import annotations

import redis

ACCEPT_JSON = {"Accept": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def started(redis_url: str) -> int:
    """How many tasks there are: records, messages at the broker, and entries of the outbox must
    agree.
    """
    with redis.Redis.from_url(redis_url) as client:
        return len(client.keys("headway:task:*")) + client.llen("celery") + client.llen("mail")

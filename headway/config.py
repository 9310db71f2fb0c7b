"""For a project that reads settings of its own in the forms that Headway's have."""

from headway.limits import parse as parse_limits
from headway.store.keys import parse_prefix
from headway.store.redis_url import parse_broker_url, parse_redis_url
from headway.web.requests.hosts import parse_hosts
from headway.web.requests.origins import parse_origins

__all__ = [
    "parse_broker_url",
    "parse_hosts",
    "parse_limits",
    "parse_origins",
    "parse_prefix",
    "parse_redis_url",
]

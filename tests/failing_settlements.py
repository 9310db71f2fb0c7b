"""tests.plain_celery, whose broker does not take what its worker says of the first messages
that it is done with.
"""

import os
from collections.abc import Callable
from typing import Any

import redis
from kombu.transport.redis import QoS

from tests.plain_celery import celery  # noqa: F401  for the worker

_left = iter(range(int(os.environ["FAILURES"])))


def _fail_first(settle: Callable[..., Any]) -> Callable[..., Any]:
    def fail_or_settle(*args: Any, **kwargs: Any) -> Any:
        if next(_left, None) is not None:
            raise redis.ConnectionError("not taken")
        return settle(*args, **kwargs)

    return fail_or_settle


QoS.ack = _fail_first(QoS.ack)
QoS.reject = _fail_first(QoS.reject)

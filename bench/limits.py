"""What counting a visitor's requests costs a status request: `python -m bench.limits`.

Two apps in one process over one Valkey, one with its limits, in alternating rounds; without Flask's
test client, which would be half of the time and hide the rest. Runs twice, the worse ratio counts:
`NOT MET`, and exit code 1, where it is beyond its bound.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from headway import limits
from headway.settings import READS_LIMIT
from headway.testing.live import redis_for_tests

ROUNDS = 40
REQUESTS = 250  # of each app in a round
RUNS = 2
MOST_RATIO = 1.1
DEFAULT = int(READS_LIMIT.default.partition("/")[0])  # a minute
MOST = 50 * DEFAULT  # more than are made

Request = Callable[[], int]


def requester(app: Any, path: str, cookie: str) -> Request:
    """Return a function that asks an app for a path, and returns the answer's status."""
    environ = EnvironBuilder(path, environ_base={"REMOTE_ADDR": "192.0.2.1"}).get_environ()
    environ["HTTP_COOKIE"] = cookie

    def ask() -> int:
        body, status, _ = run_wsgi_app(app.wsgi_app, dict(environ))
        b"".join(body)
        return int(status[:3])

    return ask


def seconds(ask: Request) -> float:
    """Return the CPU time of a round of requests."""
    begun = time.process_time()
    for _ in range(REQUESTS):
        assert ask() == 200
    return time.process_time() - begun


def measure(off: Request, on: Request) -> float:
    """Print what a request costs with limits and without; return the ratio."""
    rounds = [(seconds(off), seconds(on)) for _ in range(ROUNDS)]
    without, with_limits = (median(each) / REQUESTS * 1e6 for each in zip(*rounds, strict=True))
    ratio = median(on / off for off, on in rounds)
    print(
        f"A status request takes {without:.0f} µs of CPU without limits and {with_limits:.0f} µs "
        f"with them: {ratio:.3f} times."
    )
    return ratio


def main() -> int:
    with TemporaryDirectory() as folder, redis_for_tests(Path(folder)) as url:
        settings = {"REDIS_URL": url, "DATA_DIR": folder, "SECRET_KEY": "a secret for the bench"}
        off = create_app({**settings, "RATE_LIMITS": "off"})
        on = create_app({**settings, "RATE_LIMITS": "on", "READS_LIMIT": f"{MOST}/minute"})
        limits.BLOCKS *= MOST // DEFAULT  # Redis is asked as often as with the default
        client = off.test_client()
        path = client.post("/longtask").headers["Location"]
        cookie = client.get_cookie("headway_session")
        assert cookie is not None
        header = f"{cookie.key}={cookie.value}"
        requests = requester(off, path, header), requester(on, path, header)
        worse = max(measure(*requests) for _ in range(RUNS))
    is_kept = worse <= MOST_RATIO
    print(
        f"The worse of {RUNS}: {(worse - 1) * 100:+.1f} %, of at most "
        f"{(MOST_RATIO - 1) * 100:+.0f} %{'' if is_kept else '  NOT MET'}"
    )
    return not is_kept


if __name__ == "__main__":
    sys.exit(main())

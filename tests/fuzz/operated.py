"""The web process that is fuzzed: the app's, where a header makes a visitor an operator.

There is a schedule, as if a worker had one.
"""

from __future__ import annotations

import time

import wsgi  # first: it patches the standard library

# isort: split
from flask import request

from headway.state import state_of

HEADER = "Operator"


def main() -> None:
    app = wsgi.app
    app.config["HEADWAY_VISIBLE"] = lambda: HEADER in request.headers
    now = int(time.time() * 1e6)
    state_of(app).records.schedules.see(
        "long_task", title="Long task", rule="0 3 1 1 *", now=now, following=now + 10**13
    )
    wsgi.main()


if __name__ == "__main__":
    main()

"""`make paused` lists the tasks that a restored backup would run; `make resume` lets them run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from app import config
from headway.cli.restored import NOT_PAUSED, RESUMED, lines
from headway.exceptions import ConfigError
from headway.store.connection import connect
from headway.store.errors import RedisUnavailable
from headway.store.records import Records


def main(arguments: Sequence[str]) -> int:
    """List the paused tasks (`list`), or resume.

    Returns the exit code, 1 for an invalid setting or if Redis is away.
    """
    try:
        settings = config.load(os.environ)
        records = Records(
            connect(settings["REDIS_URL"]), settings["TASK_TTL_DAYS"], keys=config.keys(settings)
        )
        if arguments[:1] == ["list"]:
            print(*lines(records, "make resume"), sep="\n")
        else:
            print(RESUMED if records.maintenance.resume() else NOT_PAUSED)
    except (ConfigError, RedisUnavailable) as error:
        print(f"Headway: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make paused` lists the tasks that a restored backup would run; `make resume` lets them run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from app import config
from headway.exceptions import ConfigError
from headway.store.connection import connect
from headway.store.errors import Unavailable
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
            _show(records)
        elif records.maintenance.resume():
            print("Resumed: what waited goes on.")
        else:
            print("Nothing is paused.")
    except (ConfigError, Unavailable) as error:
        print(f"Headway: {error}", file=sys.stderr)
        return 1
    return 0


def _show(records: Records) -> None:
    paused = records.maintenance.paused()
    unended = records.maintenance.unended()
    if paused is None:
        print("Nothing is paused.")
    else:
        print(f"Paused since {paused.since}: Redis holds the data of {paused.data_of}.")
        print(
            f"`make resume` has these {len(unended)} tasks go on. Cancel what must not run "
            "again on its page."
        )
    for snapshot in map(json.loads, unended if paused else ()):
        print(
            f"  {snapshot['task_id']}  {snapshot['phase']:<10}  {snapshot['created_at']}  "
            f"{snapshot['title']}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

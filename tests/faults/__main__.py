"""`make faults`: every fault in full, one table, exit code 1 unless all is clean.

python -m tests.faults                           all faults, some 60 minutes
python -m tests.faults --only web --only deploy  some of them
python -m tests.faults --short                   each once or a few times, as the tests do
python -m tests.faults --seed 7 --minutes 10     faults at random, by the seed's schedule
python -m tests.faults --seed 7 --only killed-anywhere  one whose schedule is the seed's
python -m tests.faults --mode threading          with web processes of this async mode
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from functools import partial
from pathlib import Path

from app.config import SOCKETIO_ASYNC_MODES
from app.services import ROOT
from tests.faults import chaos
from tests.faults.faults import FAULTS
from tests.faults.report import Row, table, write
from tests.faults.runner import Job, run

SHORT_SETTINGS = {"LEASE_SECONDS": "5"}  # so that what waits for a lease waits less


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Break Headway and count."
    )
    names = [fault.name for fault in FAULTS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--short", action="store_true", help="each fault once or a few times")
    parser.add_argument(
        "--lanes", type=int, default=1, help="systems side by side, the last without pages (1)"
    )
    parser.add_argument(
        "--seed", type=int, help="faults at random, by this seed; with --only: by it"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long, at random (10)")
    parser.add_argument(
        "--mode",
        default="eventlet",
        choices=SOCKETIO_ASYNC_MODES,
        help="async mode of the web processes (eventlet)",
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".data" / "faults.json", help="where the rows go, too"
    )
    return parser.parse_args()


def jobs_of(chosen: argparse.Namespace) -> dict[str, list[Job]]:
    """Return what was chosen of the faults, by where it is run."""
    jobs: dict[str, list[Job]] = {"heavy": [], "light": [], "alone": []}
    for fault in FAULTS:
        if not chosen.only or fault.name in chosen.only:
            jobs[fault.where(short=chosen.short)] += [
                (fault.name, fault.job(amount, chosen.seed))
                for amount in (fault.short if chosen.short else fault.full)
            ]
    return jobs


def at_random(chosen: argparse.Namespace) -> Job:
    print(chaos.words(chaos.schedule(chosen.seed, chosen.minutes)), flush=True)
    return "random", partial(chaos.random_faults, seed=chosen.seed, minutes=chosen.minutes)


def say(name: str, row: Row, seconds: float) -> None:
    print(f"{name} ({seconds:.0f} s)\n{table([row])}\n", flush=True)


def main() -> int:
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no process is left
    begun = time.monotonic()
    settings = {"SOCKETIO_ASYNC_MODE": chosen.mode, **(SHORT_SETTINGS if chosen.short else {})}
    if chosen.seed is not None and not chosen.only:
        rows = run([at_random(chosen)], [], [], 1, settings, say)
    else:
        rows = run(**jobs_of(chosen), lanes=chosen.lanes, settings=settings, say=say)
    write(rows, chosen.json)
    print(table(rows))
    print(
        f"\n{sum(row.clean for row in rows)} of {len(rows)} clean in "
        f"{(time.monotonic() - begun) / 60:.1f} minutes"
    )
    print(f"Rows: {chosen.json}")
    return 0 if all(row.clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

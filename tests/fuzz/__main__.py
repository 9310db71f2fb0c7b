"""The long fuzzers: `python -m tests.fuzz http websockets parsers --minutes 10`.

`http` and `websockets` fuzz a running system, `parsers` what reads strangers' bytes, by itself.

Exit code 1 where an answer is a 5xx or is not as the OpenAPI document describes it, where one does
not come, or where the web process ends, writes a traceback, keeps connections or grows. `http`
needs schemathesis and `parsers` atheris, which `make fuzz` installs.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import http, parsers, websockets
from tests.fuzz.watched import watching
from tests.processes import System

KINDS = {"http": http.run, "websockets": websockets.run}
PARSERS = "parsers"
PROGRAM = ("-m", "tests.fuzz.operated")
SETTINGS = {"RATE_LIMITS": "off", "LONG_TASK_STEPS": "5", "LONG_TASK_STEP_SECONDS": "0.05"}


def fuzz(kind: str, seed: int, minutes: float) -> Iterator[str]:
    """Fuzz a system of its own, or the parsers; yield what is wrong."""
    if kind == PARSERS:
        yield from parsers.run(seed, minutes * 60)
        return
    with TemporaryDirectory() as name:
        system = System(Path(name), PROGRAM, **SETTINGS)
        try:
            with watching(system) as watched:
                yield from KINDS[kind](system.address, seed, minutes * 60)
            yield from watched.faults()
        finally:
            system.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="+", choices=[*KINDS, PARSERS])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    faults = []
    for kind in asked.kinds:
        print(f"{kind} for {asked.minutes:g} minutes, --seed {asked.seed}", flush=True)
        faults += [f"{kind}: {fault}" for fault in fuzz(kind, asked.seed, asked.minutes)]
    for fault in faults:
        print(f"NOT MET: {fault}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

"""Loads the application's code as a worker does, when it is told to: `code_watcher.py` starts it.

It has loaded the libraries by then, which takes longer than the application itself.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from traceback import StackSummary, TracebackException

ROOT = Path(__file__).resolve().parent
CODE = ROOT / "app"
LIBRARIES = ("celery", "email_validator", "flask", "flask_mail", "headway.views", "headway.checks")


def main() -> None:
    """Wait for a line, then load. Where the code cannot be loaded, say why and exit with 1."""
    for library in LIBRARIES:
        import_module(library)
    if not sys.stdin.readline():
        return  # nobody waits for it any more
    try:
        import_module("worker")
    except BaseException as error:  # also SystemExit, with which a worker would not start
        sys.exit(describe(error))


def describe(error: BaseException) -> str:
    """Return the traceback as far as it is in the application's own code."""
    found = TracebackException.from_exception(error)
    own = [frame for frame in found.stack if Path(frame.filename).is_relative_to(CODE)]
    found.stack = StackSummary.from_list(own)
    return "".join(found.format(chain=False)).replace(f"{ROOT}/", "").strip()


if __name__ == "__main__":
    main()

"""What the child processes of tests do, in a file that takes no time to import."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from headway import progress
from headway.capture import programs


def count(item: int) -> int:
    """Report one of a number of items."""
    for _ in progress.track(range(3), "a loop of its own"):
        pass
    progress.update()
    progress.log(f"item {item}")
    return item


def say(status: str) -> None:
    """Set numbers and the status."""
    progress.set(current=2, total=9, status=status)
    progress.update(2)


def count_and_die(item: int) -> None:
    """Report, and be killed."""
    progress.update()
    progress.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def run_program(text: str) -> None:
    """Run a program that prints a line, and asks for the end of the run at each look at it."""
    programs.ASK_SECONDS = 0  # in this process, which ends with it
    progress.run([sys.executable, "-c", f"print({text!r})"])


def printed(text: str) -> None:
    """Print in a captured block."""
    with progress.capture():
        print(text)


def update(*_: Any) -> None:
    """Report in one word and one line."""
    progress.update()
    progress.log("done")


def stream(_: Any) -> str:
    """Do what only the task itself can."""
    try:
        progress.stream("answer").write("text")
    except RuntimeError as error:
        return str(error)
    return "no error"

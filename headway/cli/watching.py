"""`headway watch`: shows a task until it has ended, and how it ended by the exit code."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from functools import partial
from io import UnsupportedOperation
from shutil import get_terminal_size

import click

from headway.cli import drawing
from headway.cli.errors import EXIT_OF, ExitCode, Failure
from headway.push.follow import Update, follow
from headway.store.errors import SENTENCES, RedisUnavailable
from headway.store.records import Records


class Lines:
    """Prints a line for each visible change."""

    def __init__(self) -> None:
        self._shown = ""
        self._noted = ""

    def show(self, update: Update) -> None:
        """Show a task as it is now."""
        line = drawing.log_line(update.snapshot)
        if line != self._shown:
            click.echo(f"{update.snapshot.updated_at}  {line}")
        self._shown = line

    def note(self, text: str) -> None:
        """Print a note for people; a repeated one only once."""
        if text != self._noted:
            click.echo(text, err=True)
        self._noted = text

    def close(self) -> None:
        """End the line that is being drawn, if one is."""


class JSONLines(Lines):
    """Prints each snapshot as a line of JSON, as the status endpoint has it."""

    def show(self, update: Update) -> None:
        """Show a task as it is now."""
        click.echo(update.text)


class Bar(Lines):
    """Draws one line, and redraws it at each change."""

    def show(self, update: Update) -> None:
        """Show a task as it is now."""
        self._shown = drawing.bar_line(update.snapshot, get_terminal_size().columns)
        _draw(self._shown)

    def note(self, text: str) -> None:
        """Show a note for people after the bar."""
        _draw(f"{self._shown}  {text}")

    def close(self) -> None:
        """End the line."""
        click.echo()


def _draw(line: str) -> None:
    # With `color`, click leaves control codes in.
    click.echo(f"{drawing.CLEAR}{drawing.NO_WRAP}{line}{drawing.WRAP}", nl=False, color=True)


def watch_to_the_end(records: Records, task_id: str, *, as_json: bool) -> ExitCode:
    """Show a task until it has ended, and return the exit code.

    Raises what `follow` raises, and Failure on Ctrl-C.
    """
    _end_with_the_reader()
    lines = _lines(as_json)
    code = ExitCode.FAILED
    try:
        for update in follow(records, task_id, on_outage=partial(_note, lines)):
            lines.show(update)
            code = EXIT_OF.get(update.snapshot.phase, code)
    except KeyboardInterrupt:
        raise Failure("Stopped watching; the task goes on.", ExitCode.INTERRUPTED) from None
    finally:
        lines.close()
    return code


def _end_with_the_reader() -> None:
    """End the process once nobody reads what it prints to a pipe, as after `| head -1`.

    Else it would notice that at the task's next change, which may be days away.
    """
    if sys.stdout is None:  # closed by who has called
        return
    try:
        output = sys.stdout.fileno()
    except UnsupportedOperation:
        return
    if stat.S_ISFIFO(os.fstat(output).st_mode):
        threading.Thread(target=_await_hangup, args=(output,), daemon=True).start()


def _await_hangup(output: int) -> None:
    poll = select.poll()
    poll.register(output, 0)  # of a hang-up it tells always
    poll.poll()
    os._exit(ExitCode.FAILED)


def _lines(as_json: bool) -> Lines:
    if as_json:
        return JSONLines()
    return Bar() if drawing.is_terminal(sys.stdout) else Lines()


def _note(lines: Lines, outage: RedisUnavailable | None) -> None:
    lines.note(
        f"({SENTENCES[outage.reason]}; waiting for it)" if outage else "(Redis answers again)"
    )

"""`watch`: shows a task until it has ended, and says by an exit code how it ended."""

from __future__ import annotations

import sys
from functools import partial

import click

from headway.cli import drawing
from headway.cli.exits import EXIT_OF, Exit, Failure
from headway.push.follow import Seen, follow
from headway.store.connection import SENTENCES, Unavailable
from headway.store.records import Records


class Lines:
    """A line for each change that people can see."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, seen: Seen) -> None:
        """Show a task as it is now."""
        line = drawing.plain(seen.snapshot)
        if line != self._last:
            click.echo(f"{seen.snapshot.updated_at}  {line}")
        self._last = line

    def note(self, text: str) -> None:
        """Say something for people, once where it is said in a row."""
        if text != self._last:
            click.echo(text, err=True)
        self._last = text

    def close(self) -> None:
        """End the line that is being drawn, if one is."""


class JSONLines(Lines):
    """A snapshot a line, as the status endpoint has it."""

    def show(self, seen: Seen) -> None:
        """Show a task as it is now."""
        click.echo(seen.text)
        self._last = seen.text


class Bar(Lines):
    """One line, drawn over at each change."""

    def show(self, seen: Seen) -> None:
        """Show a task as it is now."""
        self._draw(drawing.live(seen.snapshot))

    def note(self, text: str) -> None:
        """Say something for people, in place of the bar."""
        self._draw(text)

    def close(self) -> None:
        """End the line."""
        click.echo()

    def _draw(self, line: str) -> None:
        if line != self._last:
            # Colour is click's word for whether control codes are left in.
            click.echo(f"{drawing.CLEAR}{drawing.NO_WRAP}{line}{drawing.WRAP}", nl=False, color=True)
        self._last = line


def watch_to_the_end(records: Records, task_id: str, *, as_json: bool) -> Exit:
    """Show a task until it has ended. Raises what `follow` raises, and Failure where a person stops it."""
    lines = _lines(as_json)
    code = Exit.FAILED
    try:
        for seen in follow(records, task_id, on_outage=partial(_note, lines)):
            lines.show(seen)
            code = EXIT_OF.get(seen.snapshot.phase, code)
    except KeyboardInterrupt:
        raise Failure("Stopped watching; the task goes on.", Exit.INTERRUPTED) from None
    finally:
        lines.close()
    return code


def _lines(as_json: bool) -> Lines:
    if as_json:
        return JSONLines()
    return Bar() if drawing.is_terminal(sys.stdout) else Lines()


def _note(lines: Lines, outage: Unavailable) -> None:
    lines.note(f"{SENTENCES[outage.reason]}; waiting for it.")

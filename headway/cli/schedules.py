"""`headway schedules`: what runs every so often, paused and resumed from the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from headway.cli.commands import with_project
from headway.cli.errors import Command, ExitCode, Failure
from headway.cli.project import Project
from headway.store.schedules import StoredSchedule


@click.command("schedules", cls=Command)
@click.option("--pause", metavar="NAME", help="Let this one not run until it is resumed.")
@click.option("--resume", metavar="NAME", help="Let this one run again.")
@with_project
def schedules(project: Project, pause: str | None, resume: str | None) -> None:
    """List what runs by itself: when it did last, and when it will next."""
    records = project.records.schedules
    for name, is_paused in ((pause, True), (resume, False)):
        if name and not records.pause(name, is_paused=is_paused):
            known = ", ".join(one.name for one in records.all()) or "none"
            raise Failure(f"There is no schedule {name}. Known: {known}.", ExitCode.USAGE)
    for stored in records.all():
        click.echo(_line(stored))


def _line(stored: StoredSchedule) -> str:
    following = "paused" if stored.is_paused else f"next {_time(stored.next)}"
    last = f"last {_time(stored.ran_at)} {stored.task_id}" if stored.ran_at else "not run yet"
    missed = f", missed {stored.missed} times before" if stored.missed else ""
    return f"{stored.name}  {stored.rule}  {following}  {last}{missed}"


def _time(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"

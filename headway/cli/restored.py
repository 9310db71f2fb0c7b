"""`headway paused` and `headway resume`: for a Redis that was restored from a backup.

It holds tasks that have run since, so nothing runs until a person has looked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from headway.cli.commands import with_project
from headway.cli.errors import Command
from headway.cli.project import Project
from headway.snapshot import visible_line
from headway.store.records import Records

NOT_PAUSED = "Nothing is paused."
RESUMED = "Resumed: what waited goes on."


@click.command("paused", cls=Command)
@with_project
def paused(project: Project) -> None:
    """List what would run again in a Redis that was restored from a backup."""
    for line in _lines(project.records):
        click.echo(line)


@click.command("resume", cls=Command)
@with_project
def resume(project: Project) -> None:
    """Have what such a Redis holds go on."""
    click.echo(RESUMED if project.records.maintenance.resume() else NOT_PAUSED)


def _lines(records: Records) -> Iterator[str]:
    """Yield what is paused, a line each. Raises RedisUnavailable."""
    found = records.maintenance.paused()
    if found is None:
        yield NOT_PAUSED
        return
    unended = records.maintenance.unended()
    yield f"Paused since {found.since}: Redis holds the data of {found.data_of}."
    tasks = "this task" if len(unended) == 1 else f"these {len(unended)} tasks"
    yield f"`resume` lets {tasks} go on. Cancel first what must not run again."
    for task in map(json.loads, unended):
        title = visible_line(task["title"])
        yield f"  {task['task_id']}  {task['phase']:<10}  {task['created_at']}  {title}"

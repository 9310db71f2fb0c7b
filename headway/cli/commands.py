"""The commands of the terminal. Each works on the project that its group finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from difflib import get_close_matches
from functools import partial, wraps
from heapq import nlargest
from itertools import islice
from typing import Any

import click

from headway import strict_json
from headway.cli import drawing
from headway.cli.errors import Command, ExitCode, Failure
from headway.cli.project import Project
from headway.cli.watching import watch_to_the_end
from headway.masking import mask
from headway.push.follow import UnknownTask
from headway.snapshot import Phase, Snapshot
from headway.store.checks import Mark
from headway.store.model import Outcome, Priority, StartResult
from headway.store.records import TASK_ID, Records

MAX_NAMES = 10  # that an error lists
DEFAULT_LIMIT = 50
PAGE = 100  # tasks of an owner that one call reads
NOT_FORGOTTEN = {
    Outcome.NOT_FINAL: "This task has not ended yet: cancel it first.",
    Outcome.BUSY: "What depends on this task is being told of its end. Try again in a minute.",
}


def _text(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a text unchanged. Raises BadParameter if it was not UTF-8 and cannot be stored."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("This is not UTF-8.") from None
    return value


def _pairs(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, Any]:
    """Return `key=value` pairs as a dict; a value is JSON if it parses, else text."""
    found: dict[str, Any] = {}
    for value in values:
        _text(ctx, param, value)
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r} is not of the form key=value.")
        if key in found:
            raise click.BadParameter(f"{key} is given twice.")
        found[key] = strict_json.parse_or_text(text)
    return found


text_option = partial(click.option, callback=_text)


def with_project(function: Callable[..., None]) -> Callable[..., None]:
    """Pass a command its project, found as it runs: `--help` needs none."""

    @wraps(function)
    def command(**options: Any) -> None:
        ctx = click.get_current_context()
        project: Project = ctx.obj()
        if project.celery is None:
            ctx.call_on_close(project.records.client.close)
        function(project, **options)

    return command


json_option = click.option(
    "--json", "as_json", is_flag=True, help="One snapshot a line, as the status endpoint has it."
)


@click.command("watch", cls=Command)
@click.argument("task_id", metavar="ID")
@json_option
@with_project
def watch(project: Project, task_id: str, as_json: bool) -> None:
    """Show a task live until it has ended.

    Exit code: 0 succeeded, 1 failed, 3 cancelled, 4 no such task, 5 Redis is away, 130 Ctrl-C,
    which leaves the task alone.
    """
    _exit(watch_to_the_end(project.records, task_id, as_json=as_json))


@click.command("start", cls=Command)
@click.argument("name", metavar="NAME")
@click.argument("args", metavar="[KEY=VALUE]...", nargs=-1, callback=_pairs)
@text_option(
    "--as",
    "owner",
    metavar="OWNER",
    default="",
    help="Whose task it is: what the app's owner loader returns.",
)
@click.option(
    "--priority",
    type=click.Choice([each.value for each in Priority]),
    help="What of its queue is served before others; by default the task's own.",
)
@click.option(
    "--watch", "and_watch", is_flag=True, help="Show it until it has ended, as `watch` does."
)
@with_project
def start(
    project: Project,
    name: str,
    args: dict[str, Any],
    owner: str,
    priority: str | None,
    and_watch: bool,
) -> None:
    """Start a task, and print its id.

    A value is JSON where it parses, else text: rows=100 is a number, month='"2026"' a text. For an
    argument that is a file, source=@people.csv uploads that file.
    Of a task that is unique the open one is printed, if there is one.
    """
    started = _start(project, name, args, owner, priority)
    click.echo(started.task_id)
    if started.outcome == Outcome.EXISTING:
        click.echo("This one is open already, so no other was started.", err=True)
    if and_watch:
        _exit(watch_to_the_end(project.records, started.task_id, as_json=False))


def _start(
    project: Project, name: str, args: dict[str, Any], owner: str, priority: str | None
) -> StartResult:
    # Not at the top: no other command needs these imports.
    from headway.cli.uploading import with_uploads
    from headway.registry import TASK_TYPES, BadArguments, task_type_of
    from headway.service import start_kind
    from headway.system import queue_of

    system = project.system
    known = system.celery.tasks
    if name not in known:
        raise Failure(f"There is no task {name}. {_suggested(name, known)}", ExitCode.USAGE)
    kind = TASK_TYPES.get(name) or task_type_of(known[name], queue_of(system.celery, name))
    try:
        given = with_uploads(system, kind, args, owner)
        return start_kind(system, kind, given, owner=owner, priority=priority)
    except BadArguments as error:
        why = "; ".join(
            f"{field}: {text.rstrip('.')}" for field, text in sorted(error.fields.items())
        )
        raise Failure(f"{name} cannot take these arguments: {why}.", ExitCode.USAGE) from error
    except RuntimeError as error:  # Flask's, if checking the arguments needs an app context
        why = str(error).partition("\n")[0]
        raise Failure(
            f"{name} cannot be started here: {why} Use `flask --app APP headway start`.",
            ExitCode.USAGE,
        ) from error


def _suggested(name: str, known: Sequence[str]) -> str:
    names = sorted(each for each in known if not each.startswith("celery."))
    if close := get_close_matches(name, names):
        return f"Did you mean {' or '.join(close)}?"
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"Known: {', '.join(names[:MAX_NAMES])}{more}." if names else "It has none."


@click.command("cancel", cls=Command)
@click.argument("task_id", metavar="ID")
@with_project
def cancel(project: Project, task_id: str) -> None:
    """Cancel a task and its parts; what runs is asked to stop."""
    changed = project.records.cancel_all(task_id) if TASK_ID.match(task_id) else None
    if changed is None or changed.outcome == Outcome.UNKNOWN:
        raise UnknownTask(task_id)
    if changed.snapshot is None:
        raise Failure("This task has ended already.", ExitCode.FAILED)
    click.echo(changed.outcome)


@click.command("forget", cls=Command)
@click.argument("task_id", metavar="ID")
@with_project
def forget(project: Project, task_id: str) -> None:
    """Delete what is kept of a task that has ended: its result, log and arguments, for good."""
    known = TASK_ID.match(task_id)
    outcome = project.records.forget_ended(task_id) if known else Outcome.UNKNOWN
    if outcome == Outcome.UNKNOWN:
        raise UnknownTask(task_id)
    if outcome != Outcome.FORGOTTEN:
        raise Failure(NOT_FORGOTTEN[outcome], ExitCode.FAILED)
    click.echo(outcome)


_Cursor = tuple[str, str]
_ReadPage = Callable[[str, int, Set[Phase], _Cursor], tuple[list[str], _Cursor | None]]


@click.command("list", cls=Command)
@text_option("--owner", help="Only this owner's.")
@text_option("--parts", "parent", metavar="ID", help="The tasks that this one started.")
@click.option(
    "--phase",
    "phases",
    multiple=True,
    type=click.Choice([phase.value for phase in Phase]),
    help="Only in this phase; may be repeated.",
)
@click.option(
    "--limit", default=DEFAULT_LIMIT, show_default=True, type=click.IntRange(1), help="How many."
)
@json_option
@with_project
def list_tasks(
    project: Project,
    owner: str | None,
    parent: str | None,
    phases: Sequence[str],
    limit: int,
    as_json: bool,
) -> None:
    """List tasks, the newest first; the parts of one with --parts, in the order of their starts."""
    records = project.records
    wanted = {Phase(phase) for phase in phases}
    if parent is not None:
        found = _pages(records.lists.parts, _known(records, parent), wanted)
    elif owner:
        found = _pages(records.lists.page, owner, wanted)
    else:
        found = _newest(records, wanted, limit)
    is_empty = True
    for text in islice(found, limit):
        click.echo(text if as_json else drawing.list_line(Snapshot.from_json(text)))
        is_empty = False
    if is_empty and not as_json:
        click.echo("No tasks.", err=True)


def _pages(read_page: _ReadPage, of: str, phases: Set[Phase]) -> Iterator[str]:
    cursor: _Cursor | None = ("", "")
    while cursor:
        page, cursor = read_page(of, PAGE, phases, cursor)
        yield from page


def _known(records: Records, task_id: str) -> str:
    if not TASK_ID.match(task_id) or records.read([task_id]) == [None]:
        raise UnknownTask(task_id)
    return task_id


def _newest(records: Records, phases: Set[Phase], limit: int) -> Iterator[str]:
    texts = (stored.snapshot for stored in records.queries.scan())
    read = ((Snapshot.from_json(text), text) for text in texts)
    wanted = ((one, text) for one, text in read if not phases or one.phase in phases)
    dated = ((one.created_at, text) for one, text in wanted if one.parent_id is None)
    return (text for _, text in nlargest(limit, dated))


@click.command("doctor", cls=Command)
@with_project
def doctor(project: Project) -> None:
    """Check the Redis and the Celery app: what is wrong, what it means, what to do.

    Exit code: 1 where something does not work.
    """
    worked = True
    for finding in project.findings():
        click.echo(mask(str(finding)))
        worked &= finding.mark is not Mark.BAD
    _exit(ExitCode.DONE if worked else ExitCode.FAILED)


def _exit(code: ExitCode) -> None:
    click.get_current_context().exit(code)


COMMANDS = (watch, start, cancel, forget, list_tasks, doctor)

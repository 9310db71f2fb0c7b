"""The entry points: `headway ...`, and `flask headway ...` for a Flask app with Headway."""

from __future__ import annotations

import sys
from functools import partial
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from headway.cli.answering import answer
from headway.cli.commands import COMMANDS
from headway.cli.project import Project, find
from headway.cli.restored import paused, resume
from headway.cli.schedules import schedules
from headway.cli.serving import serve
from headway.cli.sharing import revoke, share
from headway.exceptions import ConfigError
from headway.masking import guard_process

if TYPE_CHECKING:
    from flask.cli import ScriptInfo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-A", "--app", metavar="PROJECT", help="The Celery app, found as `celery -A` finds it."
)
@click.option(
    "--redis-url",
    metavar="URL",
    envvar="HEADWAY_REDIS_URL",
    help="The Redis of the tasks, for all but `start`.",
)
@click.option(
    "--key-prefix",
    metavar="PREFIX",
    envvar="HEADWAY_KEY_PREFIX",
    default="",
    help="The project's global_keyprefix there.",
)
@click.pass_context
def headway(ctx: click.Context, app: str | None, redis_url: str | None, key_prefix: str) -> None:
    """Tasks in the terminal: start, watch, cancel and list them."""
    _show_any_character()
    ctx.obj = partial(_named, app, redis_url, key_prefix)


def _named(app: str | None, redis_url: str | None, key_prefix: str) -> Project:
    """Return the project that the options name, and push the context of its Flask app, if any."""
    project = find(app, redis_url, key_prefix)
    state = sys.modules.get("headway.state")  # a project without Flask has not imported it
    flask_app = state.app_of(project.celery) if state and project.celery else None
    if flask_app is not None:
        click.get_current_context().with_resource(flask_app.app_context())
    return project


@click.group("headway")
@click.pass_context
def flask_headway(ctx: click.Context) -> None:
    """Tasks in the terminal: start, watch, cancel and list them."""
    _show_any_character()
    ctx.obj = partial(_of_flask, ctx.obj)


def _of_flask(info: ScriptInfo) -> Project:
    """Return the project of the Flask app, and push its context for the command."""
    # Not at the top: `headway` needs no Flask.
    from headway.state import KEY, state_of
    from headway.web.requests.viewers import secret_keys_of

    app = info.load_app()
    if KEY not in app.extensions:
        raise ConfigError(
            f"The Flask app {app.name} has no Headway: add headway.init_app(app, celery=celery)."
        )
    click.get_current_context().with_resource(app.app_context())
    known = state_of(app)
    return Project(known.celery, known=known, own_keys=secret_keys_of(app))


def _show_any_character() -> None:
    """Write characters that the terminal's encoding lacks as "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


for command in (*COMMANDS, answer, schedules, share, revoke, paused, resume):
    headway.add_command(command)
    flask_headway.add_command(command)
headway.add_command(serve)  # a Flask app with Headway serves its own tasks


def main() -> None:
    """Run `headway` as a process."""
    guard_process()
    headway(prog_name="headway")

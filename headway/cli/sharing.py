"""`headway share` and `headway revoke`: tokens for a task, made and withdrawn in the terminal."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from headway.cli.commands import text_option, with_project
from headway.cli.errors import Command, ExitCode, Failure
from headway.cli.project import Project
from headway.push.follow import UnknownTask
from headway.revoking import revoke_from
from headway.snapshot import fragment
from headway.store.records import TASK_ID
from headway.tokens import DAY_SECONDS, MAX_SECONDS, read_token, token
from headway.weak_secrets import refuse_weak

WHAT_TO_REVOKE = "Say what to revoke: a TOKEN, or --task ID, or --owner OWNER."


def _address(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc:
        raise click.BadParameter("This must be an address, such as https://shop.example/headway.")
    return value.rstrip("/")


@click.command("share", cls=Command)
@click.argument("task_id", metavar="ID")
@click.option(
    "--expires-in",
    metavar="SECONDS",
    default=DAY_SECONDS,
    show_default="a day",
    type=click.FloatRange(1, MAX_SECONDS),
    help="How long it lasts, at most a year.",
)
@click.option(
    "--url",
    metavar="ADDRESS",
    callback=_address,
    help="Print a link: where Headway's pages lie, such as https://shop.example/headway.",
)
@click.option("--json", "as_json", is_flag=True, help="With the token's id and when it ends.")
@with_project
def share(
    project: Project, task_id: str, expires_in: float, url: str | None, as_json: bool
) -> None:
    """Make a token that shows one task, without changing it, and print it.

    Anyone who has it sees the task until it ends or is revoked.
    """
    keys = project.secret_keys
    if not project.own_keys:  # a Flask app is what its author tries it with, too
        refuse_weak("HEADWAY_SECRET_KEY", keys[-1:])
    if not TASK_ID.match(task_id) or project.records.read([task_id]) == [None]:
        raise UnknownTask(task_id)
    try:
        made = token(task_id, expires=expires_in, secret_key=keys)
    except ValueError as error:  # no number
        raise Failure(str(error), ExitCode.USAGE) from error
    link = f"{url}/tasks/{task_id}?{urlencode({'token': made})}" if url else None
    if not as_json:
        click.echo(link or made)
        return
    grant = read_token(made, keys)
    assert grant is not None  # it was made with these keys
    said = {"url": link, "token": made, "token_id": grant.token_id, "expires_at": grant.expires_at}
    click.echo(fragment(said))


@click.command("revoke", cls=Command)
@click.argument("token", metavar="[TOKEN]", required=False)
@text_option("--task", "task_id", metavar="ID", help="All tokens made so far for this task.")
@text_option("--owner", metavar="OWNER", help="All tokens made so far for all tasks of an owner.")
@text_option("--id", "token_id", metavar="TOKEN_ID", help="Of --task or --owner, only this one.")
@with_project
def revoke(project: Project, token: str | None, **which: Any) -> None:
    """Revoke a token, or all that were made so far for a task or for an owner.

    Pages that show a task by it lose it within 5 s.
    """
    given = [token, which["task_id"], which["owner"]]
    if sum(each is not None for each in given) != 1 or "" in given or (token and which["token_id"]):
        raise Failure(WHAT_TO_REVOKE, ExitCode.USAGE)
    keys = project.secret_keys if token else ()
    try:
        revoke_from(project.records, keys, token, **which)
    except ValueError as error:
        raise Failure(str(error), ExitCode.USAGE) from error

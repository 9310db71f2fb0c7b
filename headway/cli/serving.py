"""`headway serve`: a web process for the tasks of a project that has a server of its own."""

from __future__ import annotations

import logging
import os
import sys
from importlib.util import find_spec
from urllib.parse import urlsplit

import click

from headway import patching
from headway.cli.errors import Command, ExitCode, Failure
from headway.cli.project import bound_broker_waits, load_celery
from headway.web.requests.proxies import PREFIX

MODES = ("eventlet", "gevent", "threading")
NO_PROJECT = "Say whose tasks: headway serve -A PROJECT names the Celery app."


def _prefix(_: click.Context, __: click.Parameter, value: str) -> str:
    prefix = value.rstrip("/")
    if prefix and not PREFIX.fullmatch(prefix):
        raise Failure(
            f"--prefix must be a path, such as /headway, and not {value!r}.", ExitCode.USAGE
        )
    return prefix


@click.command("serve", cls=Command)
@click.option(
    "-A", "--app", metavar="PROJECT", help="The Celery app, found as `celery -A` finds it."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "-p",
    "--port",
    default=5001,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0: any free one.",
)
@click.option(
    "--prefix",
    metavar="PATH",
    default="/headway",
    show_default=True,
    callback=_prefix,
    help="Below which all lies.",
)
@click.option(
    "--trusted-proxies",
    envvar="HEADWAY_TRUSTED_PROXIES",
    metavar="NUMBER",
    default=0,
    show_default=True,
    type=click.IntRange(0, 10),
    help="How many proxies stand before it, whose X-Forwarded- headers count.",
)
@click.option(
    "--async-mode",
    envvar="HEADWAY_ASYNC_MODE",
    type=click.Choice(MODES),
    help="eventlet where it is installed, else threading.",
)
@click.pass_context
def serve(
    ctx: click.Context,
    app: str | None,
    host: str,
    port: int,
    prefix: str,
    trusted_proxies: int,
    async_mode: str | None,
) -> None:
    """Show a project's tasks to those who have a token: status, lists and websockets.

    For a project with a server of its own (Django, FastAPI, gunicorn), which makes the tokens.
    Ctrl-C or SIGTERM ends it in order. Exit code: 1 where it cannot listen there, 2 for a wrong
    setting.
    """
    project = app or (ctx.parent and ctx.parent.params.get("app"))
    if not project:
        raise Failure(NO_PROJECT, ExitCode.USAGE)
    mode = (
        async_mode or patching.patched_for or ("eventlet" if find_spec("eventlet") else "threading")
    )
    if mode != "threading" and patching.patched_for != mode:
        _start_again_patched(mode)
    _serve(project, host, port, prefix, trusted_proxies, mode)


def _start_again_patched(mode: str) -> None:
    """Replace this process by one that patches the standard library before it runs the command."""
    if find_spec(mode) is None:
        install = f"pip install 'headway[{mode}]'"
        message = f"{mode} is not installed: {install}, or choose --async-mode threading."
        raise Failure(message, ExitCode.USAGE)
    # -P: what it imports before the project must not come from the current folder.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "headway.patched", mode, *sys.argv[1:]])


def _serve(name: str, host: str, port: int, prefix: str, trusted_proxies: int, mode: str) -> None:
    # Not at the top: no other command needs Flask.
    from headway.celery.messages.broker_url import broker_url
    from headway.celery.redis_setting import redis_setting
    from headway.standalone import create_app
    from headway.store import redis_checks
    from headway.system import live_backend
    from headway.web.server.listening import CannotListen, address_of, listen
    from headway.web.server.serve import serve

    celery = load_celery(name)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    backend = live_backend(celery)
    url = backend.url
    bound_broker_waits(celery)
    app = create_app(celery, url_prefix=prefix, async_mode=mode, trusted_proxies=trusted_proxies)
    redis_checks.refuse_unfit(
        url,
        broker_url(celery),
        backend.records.keys,
        celery.amqp.queues,
        production=True,
        setting=redis_setting(celery),
    )
    try:
        listener = listen(host, port, f"another: --port {port + 1}")
    except CannotListen as error:
        raise Failure(str(error), ExitCode.FAILED) from error
    click.echo(f"Headway serves {address_of(listener)}{prefix} ({_without_secrets(url)}, {mode})")
    serve(app, listener)


def _without_secrets(url: str) -> str:
    """Return a Redis URL without its user, password and options."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

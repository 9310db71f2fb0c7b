"""`celery -A proj headway`: says what of a Celery project is live, and whether its Redis is fit.

Celery loads each plug-in of its command line (the entry point `celery.commands`) before it makes a
worker. If a project names Headway in its `result_backend` alone, its worker can still be given the
maintenance step then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from celery import Celery, signals
from celery.bin.base import CeleryCommand

from headway.masking import mask
from headway.store.checks import Finding, Mark


@signals.celeryd_init.connect
def make_backend(instance: Any = None, **_: Any) -> None:
    """Make a live backend before its worker: it adds maintenance to the worker's steps."""
    if "headway" in str(instance.app.conf.result_backend):
        instance.app.backend  # noqa: B018  # a property that makes it


@click.command("headway", cls=CeleryCommand)
@click.pass_context
def headway(ctx: click.Context) -> None:
    """Say which tasks are live, and whether Redis is fit for them."""
    worked = True
    for finding in findings(ctx.obj.app):
        click.echo(mask(str(finding)))
        worked &= finding.mark is not Mark.BAD
    ctx.exit(0 if worked else 1)


def findings(app: Celery) -> Iterator[Finding]:
    """Yield whether an app's tasks are live, and what may keep them from it."""
    # Not at the top: projects in this environment that do not use Headway need not load it.
    from headway import settings
    from headway.celery.backend import LiveBackend
    from headway.celery.messages import broker
    from headway.celery.messages.broker_url import broker_url
    from headway.celery.weakening import weakened
    from headway.celery.worker.live_tasks import live_and_not
    from headway.files import checks as file_checks
    from headway.store import redis_checks
    from headway.store.redis_url import is_same_database

    backend = app.backend
    if not isinstance(backend, LiveBackend):
        text = f'results go to {type(backend).__name__}: set result_backend to "headway+redis://host:6379/0"'
        yield Finding(Mark.BAD, "tasks", text)
        return
    app.loader.import_default_modules()  # else the tasks that a worker imports are not there yet
    live, others = live_and_not(app)
    yield Finding(Mark.GOOD, "tasks", f"{len(live)} are live")
    if others:
        text = (
            f"not live, as they have a result backend of their own; remove it: {', '.join(others)}"
        )
        yield Finding(Mark.WARNING, "tasks", text)
    for sentence in weakened(app):
        yield Finding(Mark.WARNING, "settings", sentence)
    if place := settings.FILES.read(app.conf):
        yield from file_checks.findings(place)
    url = broker_url(app)
    yield from redis_checks.findings(backend.url, url, backend.records.keys, app.amqp.queues)
    if not is_same_database(backend.url, url):
        yield from broker.findings(app.conf.broker_read_url, app.connection_for_read)

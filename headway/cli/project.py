"""The project of a command: a Celery app, that of a Flask app, or all tasks in a Redis."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from celery import Celery
from celery.app.utils import find_app
from celery.exceptions import ImproperlyConfigured

from headway import masking
from headway.celery.messages.broker import timeouts
from headway.exceptions import ConfigError
from headway.store.checks import Finding
from headway.store.connection import connect
from headway.store.keys import PLAIN, Keys
from headway.store.records import Records
from headway.store.redis_url import BadURL, normalize
from headway.system import System, live_backend, system_of
from headway.tokens import secrets_of

BROKER_SECONDS = 2.0
TTL_DAYS = 7.0  # for which a task that is cancelled without its project is kept
NOTHING_GIVEN = (
    "Say whose tasks: -A PROJECT names a Celery app, --redis-url (or HEADWAY_REDIS_URL) the "
    "Redis that holds them."
)


@dataclass(frozen=True)
class Project:
    """A Celery app with its tasks or, if that is None, all tasks in the Redis at `url`.

    Of several projects there, `keys` say which one's.
    """

    celery: Celery | None = None
    url: str = ""
    keys: Keys = PLAIN
    known: System | None = None  # of a Flask app, as the next
    own_keys: Sequence[str] | None = None

    @cached_property
    def records(self) -> Records:
        """The records of the tasks.

        Raises ConfigError if the Celery app's results do not go through Headway.
        """
        if self.celery is None:
            return Records(connect(self.url), TTL_DAYS, keys=self.keys)
        return live_backend(self.celery).records

    @property
    def system(self) -> System:
        """The system that starts tasks. Raises ConfigError if no Celery app is named."""
        if self.celery is None:
            raise ConfigError("Starting a task needs its Celery app: name it with -A PROJECT.")
        bound_broker_waits(self.celery)
        return self.known or system_of(self.celery)

    @property
    def secret_keys(self) -> list[str]:
        """The secrets that tokens are signed with; new ones with the last. Raises ConfigError."""
        if self.own_keys:
            return list(self.own_keys)
        return secrets_of(self.celery.conf if self.celery else {})

    def findings(self) -> Iterator[Finding]:
        """Yield what `doctor` says."""
        from headway.celery import cli  # not at the top: no other command needs the checks
        from headway.store import redis_checks

        if self.celery:
            return cli.findings(self.celery)
        return redis_checks.findings(self.url, "", self.keys)


def bound_broker_waits(celery: Celery) -> None:
    """Bound the wait for a broker that hangs: a task is in the outbox before it is sent."""
    conf = celery.conf
    conf.broker_transport_options = {
        **timeouts(conf.broker_write_url, BROKER_SECONDS),
        **conf.broker_transport_options,
    }


def find(app: str | None, redis_url: str | None, prefix: str = "") -> Project:
    """Return the project that the options name. Raises ConfigError."""
    if app:
        return Project(load_celery(app))
    if not redis_url:
        raise ConfigError(NOTHING_GIVEN)
    masking.set_secrets("HEADWAY_REDIS_URL", masking.passwords_in(redis_url))
    try:
        keys = Keys(prefix)
    except ValueError as error:
        raise ConfigError(f"HEADWAY_KEY_PREFIX, or --key-prefix: {error}.") from None
    try:
        return Project(url=normalize(redis_url), keys=keys)
    except BadURL as error:
        raise ConfigError(f"HEADWAY_REDIS_URL, or --redis-url, {error}") from None


def load_celery(name: str) -> Celery:
    """Return the Celery app of that name with all its tasks, found as `celery -A` finds it.

    Where that finds a Flask app, it is the Celery app beside it, or the one it was given.
    """
    try:
        found = _found(name)
        app = found if isinstance(found, Celery) else _celery_beside(found, name)
        if app is not None:
            app.loader.import_default_modules()
            app.finalize(auto=True)
            app.backend  # noqa: B018  # a property that makes it
            return app
    except ImproperlyConfigured as error:
        raise ConfigError(f"{name}: {error}") from None
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # its module may do anything
        raise ConfigError(
            f"The Celery app {name} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    raise ConfigError(
        f"{name} is no Celery app but {type(found).__name__}: name it as MODULE:NAME."
    )


def _found(name: str) -> Any:
    """Return what `celery -A` finds under a name. Raises ConfigError where that is nothing."""
    try:
        return find_app(name)
    except AttributeError:
        if name not in sys.modules:  # the module itself has raised it
            raise
        raise ConfigError(
            f"{name} has no Celery app: name it as MODULE:NAME. For a Flask app that a function "
            f"makes, use `flask --app {name} headway`."
        ) from None


def _celery_beside(app: Any, name: str) -> Celery | None:
    """Return the Celery app of another `app` in the module of that name, None if it is not clear.

    That is the module's `celery`, else its only Celery app, else the one that Headway's extension,
    or one as in Flask's documentation, holds for the Flask app.
    """
    names = vars(sys.modules[name]) if name in sys.modules else {}
    if isinstance(celery := names.get("celery"), Celery):
        return celery
    apps = {id(each): each for each in names.values() if isinstance(each, Celery)}
    if len(apps) == 1:
        return apps.popitem()[1]
    extensions = getattr(app, "extensions", {})
    given = getattr(extensions.get("headway"), "celery", extensions.get("celery"))
    return given if isinstance(given, Celery) else None

"""The Flask extension: live tasks for any app.

headway = Headway()
headway.init_app(app, celery=celery)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakSet

from celery import Celery
from flask import Flask, current_app
from flask_socketio import SocketIO

from headway import masking, settings
from headway.app_tasks import AppTasks
from headway.celery.backend import LiveBackend
from headway.celery.default_app import make_default
from headway.celery.messages.broker import message_encoder
from headway.celery.messages.sends import load_owner_by
from headway.display.languages import choose_by
from headway.exceptions import ConfigError
from headway.files.place import file_store
from headway.limits import Limits
from headway.push.manager import RoomManager
from headway.revoking import revoke_from
from headway.state import KEY, State, remember_app, state_of
from headway.system import live_backend
from headway.tokens import DAY_SECONDS, token
from headway.weak_secrets import is_secret
from headway.web.api.answers import answers
from headway.web.api.bulk import bulk
from headway.web.api.files import files
from headway.web.api.health import ops
from headway.web.api.openapi import openapi
from headway.web.api.parts import parts
from headway.web.api.sharing import sharing
from headway.web.api.streams import streams
from headway.web.api.tasks import api
from headway.web.api.tus import tus
from headway.web.api.uploads import uploads
from headway.web.api.web_push import push
from headway.web.assets import assets
from headway.web.pages.results import results
from headway.web.pages.schedules import schedules
from headway.web.pages.start_page import starting
from headway.web.pages.task_list import task_list
from headway.web.pages.task_page import pages
from headway.web.pages.template_functions import Pages
from headway.web.pages.token_links import token_links
from headway.web.requests.hosts import TrustedHosts, parse_hosts
from headway.web.requests.language import current_language
from headway.web.requests.origins import parse_origins
from headway.web.requests.owners import owner_of_sender, visitor
from headway.web.requests.viewers import secret_keys_of
from headway.web.sockets import serve_sockets
from headway.webpush.settings import push_key

# These may log the address of a request, or what a socket's client has sent.
LOGS_OF_REQUESTS = ("werkzeug", "engineio.server", "socketio.server")
BLUEPRINTS = (
    api,
    answers,
    bulk,
    sharing,
    streams,
    files,
    results,
    ops,
    assets,
    task_list,
    pages,
    token_links,
    parts,
    starting,
    uploads,
    tus,
    schedules,
    push,
    openapi,
)


class Headway(AppTasks):
    """Endpoints and websockets for the tasks of a Celery app.

    The Celery app's result backend is `headway+redis://...`. `socketio` is the Flask app's
    Socket.IO server: run the app by its `run`, or by a server of its async mode.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        """Bind to `app` as `init_app` does, if one is given."""
        self.socketio = SocketIO()
        self._own: dict[str, Any] = {
            "HEADWAY_OWNER_LOADER": visitor,
            "HEADWAY_VISIBLE": None,
        }
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app, **options)

    def owner_loader(self, loader: Callable[[], str | None]) -> Callable[[], str | None]:
        """Register the function that returns the owner's id of the current request, or None.

        The default is a random id in the session's signed cookie.
        """
        self._register("HEADWAY_OWNER_LOADER", loader)
        return loader

    def visible(self, predicate: Callable[[], bool]) -> Callable[[], bool]:
        """Register the function that says whether the current request sees tasks without an owner.

        A viewer who sees such a task may cancel and rerun it too. By default nobody sees them.
        """
        self._register("HEADWAY_VISIBLE", predicate)
        return predicate

    def _register(self, name: str, function: Callable[[], Any]) -> None:
        self._own[name] = function
        for app in self._apps:
            app.config[name] = function

    def token(
        self,
        task_ids: str | Iterable[str] = (),
        *,
        owner: str | None = None,
        read_only: bool = True,
        once: bool = False,
        expires: float = DAY_SECONDS,
    ) -> str:
        """Make a token that the current app accepts, as the function `token` does.

        Raises ValueError for what no token can say, ConfigError if the app has no secret key.
        """
        keys = secret_keys_of(current_app)
        if not keys:
            raise ConfigError("There is no secret to sign a token with: set SECRET_KEY.")
        return token(
            task_ids,
            owner=owner,
            read_only=read_only,
            once=once,
            expires=expires,
            secret_key=keys,
        )

    def revoke(
        self,
        token: str | None = None,
        *,
        task_id: str | None = None,
        owner: str | None = None,
        token_id: str | None = None,
    ) -> None:
        """Revoke a token, or those of a task or of an owner, as the function `revoke` does.

        Raises ValueError for what is no token of the current app.
        """
        which = {"task_id": task_id, "owner": owner, "token_id": token_id}
        records = state_of(current_app).records
        revoke_from(records, secret_keys_of(current_app), token, **which)

    def log_out(self, owner: str | None) -> None:
        """Close the websockets that a user has open, within 5 s, in all web processes.

        The user's browsers are told of no task any more (Web Push). None is nobody, as where the
        login has ended already, and does nothing.

        Call it where a user logs out, or changes the password. Their pages connect again, with the
        cookies that their browsers have then.
        """
        if not owner:
            return
        records = state_of(current_app).records
        records.tokens.log_out(owner)
        records.devices.forget_all(owner)

    def init_app(self, app: Flask, *, celery: Celery, url_prefix: str = "/headway") -> None:
        """Add the endpoints and the websockets to an app, below `url_prefix`.

        The Celery app becomes the process's default one where it has none, for `@shared_task`s.

        Raises ConfigError if the Celery app has another result backend or a setting is invalid.
        """
        backend = live_backend(celery)
        file_store(celery.conf, backend.records)  # a wrong setting is refused now
        defaults = {each.name: each.default for each in settings.FLASK}
        for name, default in (defaults | self._own).items():
            app.config.setdefault(name, default)
        self._apps.add(app)
        masking.hide_tokens(*LOGS_OF_REQUESTS)
        masking.set_secrets("init_app", filter(is_secret, map(os.fsdecode, _keys_of(app))), app)
        state = app.extensions[KEY] = _state_for(app, celery, backend)
        remember_app(celery, app)
        make_default(celery)
        load_owner_by(owner_of_sender)
        choose_by(current_language)
        for blueprint in BLUEPRINTS:
            app.register_blueprint(blueprint, url_prefix=url_prefix or None)
        app.jinja_env.globals["headway"] = Pages()
        serve_sockets(self.socketio, app, state, backend.url, url_prefix)
        hosts = parse_hosts("HEADWAY_TRUSTED_HOSTS", app.config["HEADWAY_TRUSTED_HOSTS"])
        if hosts:  # around the sockets too
            wrapped = TrustedHosts(app.wsgi_app, hosts)
            app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask wants it wrapped


def _keys_of(app: Flask) -> Iterator[str | bytes]:
    """Yield the secrets that sign an app's sessions and tokens, former ones too.

    Raises ConfigError.
    """
    for name in ("SECRET_KEY", "HEADWAY_SECRET_KEY"):
        former = app.config.get(f"{name}_FALLBACKS") or ()
        if isinstance(former, str | bytes):
            raise ConfigError(
                f"{name}_FALLBACKS must be a list of keys: of a text each letter would be one."
            )
        yield app.config.get(name) or ""
        yield from former


def _state_for(app: Flask, celery: Celery, backend: LiveBackend) -> State:
    """Return Headway's state in an app of these settings. Raises ConfigError."""
    return State(
        celery=celery,
        records=backend.records,
        manager=RoomManager(backend.url, backend.records),
        encoder=message_encoder(celery, backend.url),
        max_attempts=app.config["HEADWAY_MAX_ATTEMPTS"],
        allowed_origins=parse_origins(
            "HEADWAY_ALLOWED_ORIGINS", app.config["HEADWAY_ALLOWED_ORIGINS"]
        ),
        frame_ancestors=parse_origins(
            "HEADWAY_FRAME_ANCESTORS", app.config["HEADWAY_FRAME_ANCESTORS"]
        ),
        limits=Limits(backend.records, app.config),
        push_key=push_key(celery.conf),
    )

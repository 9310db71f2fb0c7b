"""Headway: slow work in the background, shown live and correctly in the browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from celery import Celery
from flask import Flask, g, request
from kombu.entity import Exchange, Queue

from app import config, extensions, inbox, routes
from app.config import ROOT
from headway.celery import broker, sends
from headway.celery.backend import LiveBackend, LiveTask
from headway.engine import server as engine
from headway.exceptions import ConfigError
from headway.push.manager import RoomManager
from headway.service import KINDS
from headway.store.connection import connect
from headway.store.records import QUEUES, Records
from headway.web import access, api, errors, ops, status
from headway.web import handlers as events
from headway.web.origins import is_cross_site
from headway.web.proxies import TrustedProxies

LARGEST_PACKET = 16 * 1024  # bytes from a client


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make a Headway app from the environment's settings and `overrides`.

    Raises ConfigError for a setting that is wrong or unsafe.
    """
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    overrides = overrides or {}
    scalars = {key: str(value) for key, value in overrides.items() if isinstance(value, str | int | float)}
    settings = config.load({**os.environ, **scalars})  # so that what is derived from an override follows it
    app.config.update(IDENTIFY=access.visitor, **settings)
    app.config.update({key: value for key, value in overrides.items() if key not in settings})
    records = Records(
        connect(app.config["REDIS_URL"]),
        app.config["TASK_TTL_DAYS"],
        app.config["LEASE_SECONDS"],
        app.config["CANCEL_GRACE_SECONDS"],
    )
    fanout = RoomManager(app.config["REDIS_URL"], records)
    celery = _celery(app)
    letters = broker.letters(celery, app.config["REDIS_URL"])
    sends.load_owner_by(access.owner_of_sender)
    app.extensions |= {"records": records, "fanout": fanout, "celery": celery, "letters": letters}
    extensions.mail.init_app(app)
    for door in (routes.pages, api.api, inbox.inbox, ops.ops):
        app.register_blueprint(door)
    errors.init_app(app)
    _guard(app)
    app.session_interface = sessions = access.Sessions()
    engine.install()
    extensions.socketio.init_app(
        app,
        # Both: without `message_queue` here a later init_app would take the stock manager in silence.
        client_manager=fanout,
        message_queue=app.config["REDIS_URL"],
        async_mode=app.config["SOCKETIO_ASYNC_MODE"],
        transports=["websocket"],
        cors_allowed_origins=[],  # not Engine.IO's own rule, but that of requests:
        refuses=partial(is_cross_site, allowed=app.config["ALLOWED_ORIGINS"]),
        most_sockets=app.config["WEB_MAX_CONNECTIONS"],
        max_http_buffer_size=LARGEST_PACKET,
        http_compression=False,
        # One call of a socket at a time, in their order: a client that floods waits for itself alone.
        async_handlers=False,
        # Together 13 s: by then both ends know of a half-open connection.
        ping_interval=7,
        ping_timeout=6,
        cookie=None,
        manage_session=False,
    )
    events.Doors(app, sessions).open()
    app.wsgi_app = status.Shortcut(app, sessions)  # type: ignore[method-assign]  # how Flask wants it wrapped
    if app.config["TRUSTED_PROXIES"]:
        wrapped = TrustedProxies(app.wsgi_app, app.config["TRUSTED_PROXIES"])
        app.wsgi_app = wrapped  # type: ignore[method-assign]  # as above
    return app


def _celery(app: Flask) -> Celery:
    class FlaskTask(LiveTask):
        """A task that runs within the app's context."""

        max_retries = app.config["MAX_ATTEMPTS"] - 1

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return super().__call__(*args, **kwargs)

    celery = broker.ImpatientSender(app.name, task_cls=FlaskTask)
    url = app.config["REDIS_URL"]
    celery.conf.update(
        broker_url=app.config["CELERY_BROKER_URL"],
        result_backend=f"headway.celery.backend.LiveBackend+{url}",
        result_expires=app.config["TASK_TTL_DAYS"] * 86400,
        headway_lease_seconds=app.config["LEASE_SECONDS"],
        headway_result_max_bytes=app.config["RESULT_MAX_BYTES"],
        # Where a worker remembers which state of Redis it has seen.
        headway_data_dir=app.config["DATA_DIR"],
        redis_socket_timeout=2.0,
        redis_socket_connect_timeout=2.0,
        task_default_queue="celery",
        # What a worker takes.
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        task_routes={kind.name: {"queue": kind.queue} for kind in KINDS.values()},
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=app.config["SHUTDOWN_SECONDS"],
        # How long a lost process's last words are waited for; what it has stored itself stands anyway.
        worker_lost_wait=1.0,
        worker_hijack_root_logger=True,
        broker_pool_acquire_timeout=0.5,  # starts do not queue up behind a broker that hangs
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport_options={
            # Keepers see to what is lost. A worker whose clock is ahead by this would hand out what others run.
            "visibility_timeout": 7 * 86400,
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,  # a connection that is dead and does not say so is found within 11 s
        },
    )
    celery.set_default()
    if not isinstance(celery.backend, LiveBackend):
        raise ConfigError(
            "Celery's results do not go through Headway: unset CELERY_RESULT_BACKEND, which overrides any setting."
        )
    return celery


def _guard(app: Flask) -> None:
    """Put the rules that hold at every door."""

    @app.before_request
    def refuse_other_sites() -> None:
        allowed = app.config["ALLOWED_ORIGINS"]
        if request.method in access.UNSAFE and is_cross_site(request.environ, allowed):
            raise errors.Refused(403, "cross_site", "This request comes from another site's page.")

    @app.after_request
    def add_headers(response: Any) -> Any:
        response.headers.update(access.guards(g.get("csp_nonce")))
        return response

    @app.context_processor
    def for_templates() -> dict[str, Any]:
        inbox_on = app.config["MAIL_INBOX"] is not None
        return {
            "csp_nonce": access.nonce,
            "inbox_on": inbox_on,
            "inbox_count": inbox.count() if inbox_on else 0,
        }

"""Headway: slow work in the background, shown live and correctly in the browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from celery import Celery
from flask import Flask
from kombu.entity import Exchange, Queue

from app import config, extensions, inbox, routes, tasks  # noqa: F401 - which registers them
from app.services import ROOT
from headway import words
from headway.celery import broker
from headway.celery.task import LiveTask
from headway.labels import labels_of
from headway.registry import TASK_TYPES
from headway.settings import LIMITS
from headway.shapes import SnapshotDict
from headway.web import access
from headway.web.errors import handle_errors
from headway.web.proxies import TrustedProxies
from headway.web.security import add_headers


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make a Headway app from the environment's settings and `overrides`.

    Raises ConfigError for a setting that is wrong or unsafe.
    """
    app = Flask(
        __name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static")
    )
    overrides = overrides or {}
    scalars = {
        key: str(value) for key, value in overrides.items() if isinstance(value, str | int | float)
    }
    # Loaded with the overrides, so that what is derived from one follows it.
    settings = config.load({**os.environ, **scalars})
    app.config.update(settings)
    app.config.update({key: value for key, value in overrides.items() if key not in settings})
    app.config.update(
        HEADWAY_ASYNC_MODE=app.config["SOCKETIO_ASYNC_MODE"],
        HEADWAY_ALLOWED_ORIGINS=app.config["ALLOWED_ORIGINS"],
        HEADWAY_FRAME_ANCESTORS=app.config["FRAME_ANCESTORS"],
        HEADWAY_MAX_CONNECTIONS=app.config["WEB_MAX_CONNECTIONS"],
        HEADWAY_REQUEST_SECONDS=app.config["REQUEST_SECONDS"],
        HEADWAY_MAX_ATTEMPTS=app.config["MAX_ATTEMPTS"],
    )
    for limit in LIMITS:
        app.config[limit.name] = app.config[limit.name.removeprefix("HEADWAY_")]
    app.session_interface = access.Sessions()
    extensions.mail.init_app(app)
    extensions.headway.init_app(app, celery=_celery(app), url_prefix="")
    for blueprint in (routes.pages, inbox.inbox):
        app.register_blueprint(blueprint)
    handle_errors(app)
    app.after_request(add_headers)  # also to answers that come from no endpoint
    _add_to_templates(app)
    if app.config["TRUSTED_PROXIES"]:
        wrapped = TrustedProxies(app.wsgi_app, app.config["TRUSTED_PROXIES"])
        app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask wants it
    return app


def _celery(app: Flask) -> Celery:
    class FlaskTask(LiveTask):
        """A task that runs within the app's context."""

        max_retries = app.config["MAX_ATTEMPTS"] - 1

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return super().__call__(*args, **kwargs)

    celery = broker.FailFastCelery(app.name, task_cls=FlaskTask)
    url = app.config["REDIS_URL"]
    celery.conf.update(
        broker_url=app.config["CELERY_BROKER_URL"],
        result_backend=f"headway.celery.backend.LiveBackend+{url}",
        result_backend_transport_options=_prefixed(app),
        result_expires=app.config["TASK_TTL_DAYS"] * 86400,
        headway_lease_seconds=app.config["LEASE_SECONDS"],
        headway_cancel_grace_seconds=app.config["CANCEL_GRACE_SECONDS"],
        headway_result_max_bytes=app.config["RESULT_MAX_BYTES"],
        # A worker stores there what it last saw of Redis, to notice a restored backup.
        headway_data_dir=app.config["DATA_DIR"],
        headway_files=app.config["DATA_DIR"] / "files",
        redis_socket_timeout=2.0,
        redis_socket_connect_timeout=2.0,
        task_default_queue="celery",
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in config.QUEUES],
        task_routes={kind.name: {"queue": kind.queue} for kind in TASK_TYPES.values()},
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=app.config["SHUTDOWN_SECONDS"],
        # How long to wait for a lost process's last messages; what it has stored itself stands
        # anyway.
        worker_lost_wait=1.0,
        worker_hijack_root_logger=True,
        broker_pool_acquire_timeout=0.5,  # starts do not queue up behind a broker that hangs
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport_options=_prefixed(app)
        | {
            # Maintenance handles lost messages. A worker whose clock is ahead by this would
            # redeliver messages that others run.
            "visibility_timeout": 7 * 86400,
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            # A half-open connection is found within 11 s.
            "health_check_interval": 5,
        },
    )
    celery.set_default()
    return celery


def _prefixed(app: Flask) -> dict[str, str]:
    """Return the option of Celery's that puts the key prefix before all that lies in Redis."""
    prefix = app.config["REDIS_KEY_PREFIX"]
    return {"global_keyprefix": prefix} if prefix else {}


def _add_to_templates(app: Flask) -> None:
    @app.context_processor
    def for_templates() -> dict[str, Any]:
        inbox_on = app.config["MAIL_INBOX"] is not None
        return {
            "csp_nonce": access.nonce,
            "inbox_on": inbox_on,
            "inbox_count": inbox.count() if inbox_on else 0,
        }

    @app.template_global()
    def reading_of(task: SnapshotDict) -> words.Reading:
        return words.read(task, labels_of(task.get("name", "")))

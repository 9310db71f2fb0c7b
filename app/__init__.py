"""Headway: slow work in the background, shown live and correctly in the browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask

from app import config, extensions, inbox, routes, tasks  # noqa: F401 - which registers them
from app.celery_settings import celery_settings
from app.services import ROOT
from headway.celery import broker
from headway.celery.task import LiveTask
from headway.display import formats, languages, words
from headway.display.labels import labels_for_page
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
    languages.add(Path(__file__).with_name("translations"))
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
    celery.conf.update(celery_settings(app.config))
    celery.set_default()
    return celery


def _add_to_templates(app: Flask) -> None:
    @app.context_processor
    def for_templates() -> dict[str, Any]:
        inbox_on = app.config["MAIL_INBOX"] is not None
        return {
            "csp_nonce": access.nonce,
            "inbox_on": inbox_on,
            "inbox_count": inbox.count() if inbox_on else 0,
        }

    app.template_filter("size")(formats.format_size)

    @app.template_global()
    def reading_of(task: SnapshotDict) -> words.Reading:
        return words.read(task, labels_for_page(task.get("name", "")))

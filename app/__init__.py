"""The reference application: emails, a long task, an import and a mailing, made with Headway."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask, current_app

from app import bundles, config, extensions, inbox, routes, tasks  # noqa: F401 - which registers them
from app.celery_settings import celery_settings
from app.services import ROOT
from app.settings import LIMITS
from headway import FailFastCelery
from headway.secrets import is_secret, set_secrets
from headway.texts import add_translations
from headway.views import protect


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
    loaded = config.load({**os.environ, **scalars})
    set_secrets("MAIL_PASSWORD", filter(is_secret, [loaded["MAIL_PASSWORD"]]), app)
    app.config.update(loaded)
    app.config.update({key: value for key, value in overrides.items() if key not in loaded})
    app.config.update(
        HEADWAY_ASYNC_MODE=app.config["SOCKETIO_ASYNC_MODE"],
        HEADWAY_ALLOWED_ORIGINS=app.config["ALLOWED_ORIGINS"],
        HEADWAY_FRAME_ANCESTORS=app.config["FRAME_ANCESTORS"],
        HEADWAY_MAX_CONNECTIONS=app.config["WEB_MAX_CONNECTIONS"],
        HEADWAY_REQUEST_SECONDS=app.config["REQUEST_SECONDS"],
        HEADWAY_MAX_ATTEMPTS=app.config["MAX_ATTEMPTS"],
    )
    app.config.update({f"HEADWAY_{name}": app.config[name] for name in LIMITS})
    add_translations(Path(__file__).with_name("translations"))
    extensions.mail.init_app(app)
    extensions.headway.init_app(app, celery=_celery(app), url_prefix="")
    for blueprint in (routes.pages, inbox.inbox):
        app.register_blueprint(blueprint)
    app.context_processor(_inbox_state)
    bundles.add_bundles(app)
    protect(app, trusted_proxies=app.config["TRUSTED_PROXIES"])
    return app


def _celery(app: Flask) -> Celery:
    class FlaskTask(Task):
        """A task that runs within the app's context."""

        max_retries = app.config["MAX_ATTEMPTS"] - 1

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return super().__call__(*args, **kwargs)

    celery = FailFastCelery(app.name, task_cls=FlaskTask)
    celery.conf.update(celery_settings(app.config))
    celery.set_default()
    return celery


def _inbox_state() -> dict[str, Any]:
    inbox_on = current_app.config["MAIL_INBOX"] is not None
    return {"inbox_on": inbox_on, "inbox_count": inbox.count() if inbox_on else 0}

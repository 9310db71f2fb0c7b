"""The web app of `headway serve`, which shows the tasks of a project beside its own server."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from headway import masking
from headway.exceptions import ConfigError
from headway.extension import Headway
from headway.settings import LANGUAGE, LIMITS
from headway.weak_secrets import is_secret, refuse_weak
from headway.web.requests.errors import APIError, as_json
from headway.web.requests.proxies import TrustedProxies
from headway.web.requests.security import add_headers

MAX_BODY_BYTES = 64 * 1024
NO_SECRET = (
    "There is no secret to know tokens by: set headway_secret_key in Celery's settings, or "
    "HEADWAY_SECRET_KEY in the environment, as where the tokens are made."
)
STARTED_ELSEWHERE = APIError(
    403, "started_elsewhere", "The project's own server starts tasks, this one shows them."
)


def create_app(celery: Celery, *, url_prefix: str, async_mode: str, trusted_proxies: int) -> Flask:
    """Make an app that shows a project's tasks, below `url_prefix`, to those who have a token.

    Its settings are Celery's, in lower case, else the environment's. Raises ConfigError for an
    invalid setting, a missing or weak secret, or another result backend.
    """
    app = Flask(__name__, static_folder=None)
    secret = _setting(celery, "HEADWAY_SECRET_KEY")
    if not secret:
        raise ConfigError(NO_SECRET)
    old_secrets = _words(_setting(celery, "HEADWAY_SECRET_KEY_FALLBACKS"))
    masking.set_secrets("HEADWAY_SECRET_KEY", filter(is_secret, [secret, *old_secrets]), app)
    refuse_weak("HEADWAY_SECRET_KEY", [secret])
    refuse_weak("HEADWAY_SECRET_KEY_FALLBACKS", old_secrets)
    app.config.update(
        HEADWAY_ASYNC_MODE=async_mode,
        HEADWAY_SECRET_KEY=secret,
        HEADWAY_SECRET_KEY_FALLBACKS=old_secrets,
        HEADWAY_ALLOWED_ORIGINS=_words(_setting(celery, "HEADWAY_ALLOWED_ORIGINS")),
        HEADWAY_FRAME_ANCESTORS=_words(_setting(celery, "HEADWAY_FRAME_ANCESTORS")),
        HEADWAY_TRUSTED_HOSTS=_words(_setting(celery, "HEADWAY_TRUSTED_HOSTS")),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
    )
    for limit in LIMITS:
        app.config[limit.name] = _setting(celery, limit.name)
    app.config[LANGUAGE.name] = _setting(celery, LANGUAGE.name) or LANGUAGE.default
    headway = Headway()
    headway.owner_loader(_nobody)
    headway.init_app(app, celery=celery, url_prefix=url_prefix)
    app.before_request(_refuse_starts)
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(add_headers)  # also to answers that come from no endpoint
    if trusted_proxies:
        wrapped = TrustedProxies(app.wsgi_app, trusted_proxies)
        app.wsgi_app = wrapped  # type: ignore[method-assign]  # how Flask wants it wrapped
    return app


def _setting(celery: Celery, name: str) -> Any:
    value = celery.conf.get(name.lower())
    return os.environ.get(name) if value in (None, "") else value


def _words(setting: Any) -> list[str]:
    """Return a setting that is a list, or a text of words separated by spaces, as a list."""
    return setting.split() if isinstance(setting, str) else list(setting or ())


def _nobody() -> None:
    """Load no owner: only the project knows its users, and they show a token."""


def _refuse_starts() -> None:
    starts = request.endpoint == "headway.start_task"
    if starts or request.blueprint in ("headway_start", "headway_uploads", "headway_tus"):
        raise STARTED_ELSEWHERE


def _http_error(error: HTTPException) -> ResponseReturnValue:
    """Answer in JSON where no endpoint does: there are no pages here."""
    code = error.name.lower().replace(" ", "_")
    return as_json(error.code or 500, code, error.description or error.name)

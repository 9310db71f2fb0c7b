"""Reads the settings from the environment, and refuses invalid or unsafe ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.mail_settings import (
    mail_settings,
    normalized_sender,
    refuse_bad_hostname,
    refuse_bad_login,
)
from app.secret_keys import old_secret_keys, secret_key
from app.services import data_dir, services
from app.settings import SETTINGS, Derived, Flag, Text
from headway import ConfigError
from headway.checks import refuse_unfit_redis
from headway.config import (
    parse_broker_url,
    parse_hosts,
    parse_limits,
    parse_origins,
    parse_prefix,
    parse_redis_url,
)
from headway.secrets import is_secret, mask_addresses, passwords_in, set_secrets

TEXTS = [one.name for one in SETTINGS if isinstance(one, Text)]
QUEUES = ("celery", "mail")
SECRETS = ("MAIL_PASSWORD", "SECRET_KEY", "SECRET_KEY_FALLBACKS")
URLS = (
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
)
EMBEDDED = "services.json"  # where the embedded Valkey's URL is from
LOOPBACK = "localhost .localhost"  # this machine's own names
FLASK_DEBUG = Flag("FLASK_DEBUG", False, "Flask's own")
SOCKETIO_ASYNC_MODES = ("eventlet", "gevent", "threading")


def load(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return all settings by name, from `environ` or else from files in `DATA_DIR`.

    From then on the secrets are masked in what is logged and stored; see `headway.secrets`.
    Raises ConfigError for the first setting that is invalid or, in production, unsafe.
    """
    _mask_secrets(environ)
    _refuse_bad_bytes(environ)
    settings = {one.name: one.read(environ) for one in SETTINGS if not isinstance(one, Derived)}
    settings["DATA_DIR"] = data_dir(environ)
    mask_addresses(settings["MASK_ADDRESSES"])
    for name in TEXTS:
        if name.endswith("_LIMIT"):
            parse_limits(name, settings[name])
    for name in ("ALLOWED_ORIGINS", "FRAME_ANCESTORS"):
        parse_origins(name, settings[name])
    settings["TRUSTED_HOSTS"] = None  # Flask's own check sees no websockets
    hosts = environ.get("TRUSTED_HOSTS") or LOOPBACK
    settings["HEADWAY_TRUSTED_HOSTS"] = parse_hosts("TRUSTED_HOSTS", hosts)
    _refuse_unknown_words(settings)
    production = settings["APP_ENV"] == "production"
    if production and FLASK_DEBUG.read(environ):
        raise ConfigError("FLASK_DEBUG is for development: leave it out in production.")
    settings["SECRET_KEY"] = secret_key(environ, settings["DATA_DIR"], production)
    settings["SECRET_KEY_FALLBACKS"] = old_secret_keys(environ, production)
    settings["REDIS_URL"] = _redis_url(environ, settings, production)
    settings["CELERY_BROKER_URL"] = _broker_url(environ) or settings["REDIS_URL"]
    prefix = settings["REDIS_KEY_PREFIX"]
    settings["REDIS_KEY_PREFIX"] = parse_prefix("REDIS_KEY_PREFIX", prefix)
    refuse_bad_login(settings)
    refuse_bad_hostname(settings["MAIL_LOCAL_HOSTNAME"])
    settings["MAIL_DEFAULT_SENDER"] = normalized_sender(settings["MAIL_DEFAULT_SENDER"])
    settings.update(mail_settings(settings, production))
    settings.update(_flask(settings, production))
    return settings


def _mask_secrets(environ: Mapping[str, str]) -> None:
    for name in SECRETS:
        value = environ.get(name, "")
        parts = value.split() if name == "SECRET_KEY_FALLBACKS" else [value]
        set_secrets(name, filter(is_secret, parts))
    for name in URLS:
        parts = passwords_in(environ.get(name, ""))
        set_secrets(name, filter(is_secret, parts))


def _refuse_bad_bytes(environ: Mapping[str, str]) -> None:
    for name in (*TEXTS, *SECRETS, *URLS):
        try:
            environ.get(name, "").encode()
        except UnicodeEncodeError:  # the exception's text may hold the secret
            raise ConfigError(
                f"{name} must be UTF-8 text: the environment has it in another encoding."
            ) from None


def refuse_unsafe_serving(settings: Mapping[str, Any]) -> None:
    """Raise ConfigError if a server of these settings would serve production unsafely.

    Over plain http: the server speaks no TLS itself, so without a proxy nobody does. Or behind a
    proxy under names that nobody has said. Workers serve nothing.
    """
    if settings["APP_ENV"] != "production":
        return
    if settings["TRUSTED_PROXIES"]:
        if settings["HEADWAY_TRUSTED_HOSTS"] == parse_hosts("TRUSTED_HOSTS", LOOPBACK):
            raise ConfigError(
                "In production set TRUSTED_HOSTS to the names under which browsers reach Headway, "
                "as tasks.example.com, or to * where the proxy answers for no other name."
            )
    elif not settings["ALLOW_PLAIN_HTTP"]:
        raise ConfigError(
            "In production browsers must reach Headway over https: serve it through a proxy with "
            "TLS and set TRUSTED_PROXIES to the number of proxies, or set ALLOW_PLAIN_HTTP=1 "
            "to serve it unencrypted: the network can then read pages and cookies."
        )


def check_surroundings(settings: Mapping[str, Any]) -> None:
    """Log problems with Redis before a program serves, unless a parent process has logged them.

    Raises ConfigError for serving production unsafely, and for a Redis that Headway cannot use.
    """
    refuse_unsafe_serving(settings)
    refuse_unfit_redis(
        settings["REDIS_URL"],
        settings["CELERY_BROKER_URL"],
        prefix=settings["REDIS_KEY_PREFIX"],
        queues=QUEUES,
        production=settings["APP_ENV"] == "production",
        setting="REDIS_URL",
    )


def _refuse_unknown_words(settings: Mapping[str, Any]) -> None:
    if settings["SOCKETIO_ASYNC_MODE"] not in SOCKETIO_ASYNC_MODES:
        raise ConfigError(f"SOCKETIO_ASYNC_MODE must be one of {', '.join(SOCKETIO_ASYNC_MODES)}.")
    if settings["APP_ENV"] not in ("development", "production"):
        raise ConfigError("APP_ENV must be development or production.")
    if settings["MAIL_USE_TLS"] and settings["MAIL_USE_SSL"]:
        raise ConfigError("Set MAIL_USE_TLS (STARTTLS) or MAIL_USE_SSL, not both.")


def _redis_url(environ: Mapping[str, str], settings: Mapping[str, Any], production: bool) -> str:
    embedded = str(services(settings["DATA_DIR"]).get("redis_url", ""))
    url = environ.get("REDIS_URL") or embedded
    if not url:
        raise ConfigError(
            "REDIS_URL is not set and no `make run` has started a Valkey here: "
            "run `make run`, or set REDIS_URL=redis://host:6379/0."
        )
    if production and not environ.get("REDIS_URL") and not settings["ALLOW_EMBEDDED_VALKEY"]:
        raise ConfigError(
            "In production set REDIS_URL, or ALLOW_EMBEDDED_VALKEY=1 to use the embedded Valkey."
        )
    if url == embedded:
        set_secrets(EMBEDDED, passwords_in(embedded))
        if production and not passwords_in(embedded):
            raise ConfigError(
                "The embedded Valkey has no password: an older `make run` started it. Restart it."
            )
    return parse_redis_url("REDIS_URL", url)


def _broker_url(environ: Mapping[str, str]) -> str:
    """Return the broker's URL, "" if none is set. Raises ConfigError.

    The other two names are only checked: Celery reads them itself.
    """
    for name in ("CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        parse_broker_url(name, environ.get(name, ""))
    return parse_broker_url("CELERY_BROKER_URL", environ.get("CELERY_BROKER_URL", ""))


def _flask(settings: Mapping[str, Any], production: bool) -> dict[str, Any]:
    return {
        # Cookies are shared by every port of a host, so the name is Headway's own.
        "SESSION_COOKIE_NAME": "headway_session",
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": production and not settings["ALLOW_PLAIN_HTTP"],
        "PERMANENT_SESSION_LIFETIME": timedelta(days=365),
        "SESSION_REFRESH_EACH_REQUEST": False,
        "MAX_CONTENT_LENGTH": 64 * 1024,
        "TEMPLATES_AUTO_RELOAD": not production,
    }

"""The reference application's settings: the name, the default and the meaning of each, once.

They come from the environment. docs/reference.md is made from this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headway import ConfigError, settings

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


class Text(settings.Setting):
    """A text, used as it is given."""

    def read(self, environ: Mapping[str, str]) -> str:
        """Return the text in an environment."""
        return environ.get(self.name) or str(self.default)


class Words(settings.Setting):
    """Words, with spaces between them in the environment."""

    def read(self, environ: Mapping[str, str]) -> list[str]:
        """Return the words in an environment."""
        return environ.get(self.name, "").split()


class Flag(settings.Setting):
    """True or false."""

    def read(self, environ: Mapping[str, str]) -> bool:
        """Return the value in an environment. Raises ConfigError for any other word."""
        text = environ.get(self.name)
        word = text.strip().lower() if text else ""
        if text and word not in TRUE | FALSE:
            raise ConfigError(f"{self.name} must be true or false, not {text!r}.")
        return word in TRUE if text else bool(self.default)


@dataclass(frozen=True)
class Number(settings.Setting):
    """A number from `least` to `most`, whole unless its default is a float."""

    least: float
    most: float

    def read(self, environ: Mapping[str, str]) -> float | int | None:
        """Return the number in an environment. Raises ConfigError if it is not a number."""
        text = environ.get(self.name)
        if not text:
            default: float | int | None = self.default
            return default
        try:
            value = float(text) if isinstance(self.default, float) else int(text)
        except ValueError:
            raise ConfigError(f"{self.name} must be a number, not {text!r}.") from None
        if not self.least <= value <= self.most:  # also false for NaN
            raise ConfigError(
                f"{self.name} must be from {self.least:g} to {self.most:g}, not {text}."
            )
        return value


class Derived(settings.Setting):
    """A setting that depends on others; `default` describes in words what it is if unset."""


def _same_as(setting: settings.Setting) -> settings.Setting:
    """Return a limit of the library's under this application's name."""
    name = setting.name.removeprefix("HEADWAY_")
    if setting.default is True:
        return Flag(name, True, setting.meaning)
    if isinstance(setting.default, int):
        return Number(name, setting.default, setting.meaning, 1, 1_000_000_000)
    return Text(name, setting.default, setting.meaning)


EMAIL_LIMITS = (
    Text("EMAILS_LIMIT", "20/hour; 50/day", "how many emails an owner may send"),
    Text(
        "EMAILS_PER_RECIPIENT_LIMIT",
        "5/hour; 10/day",
        "how many emails are sent to one address, by all visitors together",
    ),
    Text("EMAILS_IN_ALL_LIMIT", "1000/day", "how many emails are sent by all visitors together"),
)
LIMITS = [each.name.removeprefix("HEADWAY_") for each in settings.LIMITS]
SETTINGS: tuple[settings.Setting, ...] = (
    Derived(
        "REDIS_URL",
        "an embedded Valkey, kept under `.data/`",
        "`redis://` or `rediss://` (TLS), also for Valkey: [which](redis.md)",
    ),
    Derived(
        "CELERY_BROKER_URL", "`REDIS_URL`", "the same, or another broker of Celery's (`amqp://`)"
    ),
    Text(
        "REDIS_KEY_PREFIX",
        "",
        "before each key and channel, so that several Headways can share a Redis: as `shop_`",
    ),
    Derived(
        "SECRET_KEY",
        "made once, kept under `.data/`",
        "signs cookies; must be set in production",
    ),
    Derived(
        "SECRET_KEY_FALLBACKS",
        "",
        "space-separated older keys, after a change of `SECRET_KEY`: their cookies still count, "
        "and are signed with the new key when the page is opened or a task started",
    ),
    Text(
        "APP_ENV",
        "development",
        "`production` refuses weak secrets, plain http, the inbox and the embedded Valkey",
    ),
    Text("HOST", "127.0.0.1", "the address to listen at"),
    Number("PORT", 5000, "the port to listen at", 1, 65535),
    Number("WEB_PROCESSES", 1, "they share one port", 1, 64),
    Number("WEB_MAX_CONNECTIONS", 20_000, "of each web process", 16, 1_000_000),
    Number(
        "REQUEST_SECONDS",
        settings.REQUEST_SECONDS.default,
        "how long a client may take to send a whole request, head and body",
        0.5,
        3600.0,
    ),
    Number("WORKER_CONCURRENCY", 4, "slots for long tasks", 1, 256),
    Number("MAIL_CONCURRENCY", 2, "slots for mail", 1, 256),
    Number(
        "MAX_ATTEMPTS",
        4,
        "how many attempts of a task may fail before it fails; runs that were stopped in order, or "
        "lost after they had saved something new, do not count",
        1,
        100,
    ),
    Number(
        "LEASE_SECONDS",
        settings.LEASE_SECONDS.default,
        settings.LEASE_SECONDS.meaning,
        2.0,
        3600.0,
    ),
    Number(
        "CANCEL_GRACE_SECONDS",
        settings.CANCEL_GRACE_SECONDS.default,
        settings.CANCEL_GRACE_SECONDS.meaning,
        0.0,
        3600.0,
    ),
    Number(
        "SHUTDOWN_SECONDS",
        8.0,
        "how long a worker that is stopped in order waits for what it runs; what has not ended by "
        "then runs again elsewhere",
        0.0,
        86400.0,
    ),
    Number(
        "LONG_TASK_STEPS",
        None,
        "of the example's long task; unset: 10 to 50 at random",
        1,
        1_000_000,
    ),
    Number("LONG_TASK_STEP_SECONDS", 1.0, "how long each of them takes", 0.0, 3600.0),
    Number(
        "RESULT_MAX_BYTES",
        settings.RESULT_MAX_BYTES.default,
        settings.RESULT_MAX_BYTES.meaning,
        64 * 1024,
        512 * 1024 * 1024 - 1,  # Redis takes no larger text
    ),
    Number("TASK_TTL_DAYS", 7, "how long a task is kept", 1, 3650),
    Text("SOCKETIO_ASYNC_MODE", "eventlet", "`threading` and `gevent` too"),
    Words(
        "ALLOWED_ORIGINS", (), "space-separated list of other origins allowed to use this server"
    ),
    Words("FRAME_ANCESTORS", (), settings.FRAME_ANCESTORS.meaning),
    Derived(
        "TRUSTED_HOSTS",
        "`localhost .localhost`",
        "space-separated list of the names by which this server is called, as `tasks.example.com`, "
        "or `.example.com` for all below it; requests for others are refused, except for IP "
        "addresses. `*`: any. Production behind a proxy needs one of them",
    ),
    Number(
        "TRUSTED_PROXIES",
        0,
        "how many proxies stand before it; their `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and "
        "`-Prefix` count",
        0,
        10,
    ),
    Flag(
        "ALLOW_PLAIN_HTTP",
        False,
        "production without https, whose cookies and pages can be read on the way; else "
        "production serves only behind a proxy (`TRUSTED_PROXIES`), which is to speak TLS",
    ),
    Flag(
        "MASK_ADDRESSES",
        False,
        "mask email addresses, as `***@example.com`, in logs, tracebacks and texts of tasks; not "
        "in arguments and results",
    ),
    *map(_same_as, settings.LIMITS),
    *EMAIL_LIMITS,
    Derived("DATA_DIR", "`.data`", "what outlives a restart on this machine"),
    Text(
        "FILES",
        "",
        "where files are kept that tasks give out and people upload: a folder, or a bucket as "
        "`s3://bucket/prefix?endpoint=https://minio.internal:9000`, which needs `pip install "
        "botocore`; unset: `files` in `DATA_DIR`",
    ),
    Number(
        "VALKEY_MAX_MB",
        1024,
        "megabytes of memory for the embedded Valkey: when they are full no task is started, and "
        "those that are there go on",
        16,
        1_000_000,
    ),
    Flag("ALLOW_EMBEDDED_VALKEY", False, "production with the embedded Valkey"),
    Text("MAIL_SERVER", "", "the mail server's host; unset: the development inbox"),
    Number("MAIL_PORT", 25, "its port", 1, 65535),
    Flag("MAIL_USE_TLS", False, "STARTTLS"),
    Flag("MAIL_USE_SSL", False, "TLS from the first byte"),
    Text("MAIL_USERNAME", "", "any UTF-8"),
    Text("MAIL_PASSWORD", "", "any UTF-8"),
    Text(
        "MAIL_DEFAULT_SENDER",
        "flask@example.com",
        "one address, as `ada@example.com` or `Ada <ada@example.com>`; a name with a comma in "
        'quotes, as `"Doe, John" <john@example.com>`',
    ),
    Text(
        "MAIL_LOCAL_HOSTNAME",
        "",
        "the name with which the mail server is greeted (EHLO), for one that refuses this "
        "machine's full name: `mailer.example.com` or `[192.0.2.1]`",
    ),
    Number(
        "MAIL_TIMEOUT_SECONDS",
        15.0,
        "the longest wait for the mail server at each step",
        0.1,
        600.0,
    ),
    Number(
        "MAIL_MAX_EMAILS",
        100,
        "in one conversation with the mail server, which is kept open for 5 s between two",
        1,
        1_000_000,
    ),
    Number(
        "MAIL_RETRY_SECONDS",
        10.0,
        "before an email that was deferred is sent again; each further wait is six times as long. "
        "For a mail server that is away the waits double, up to a minute",
        0.0,
        3600.0,
    ),
    Number(
        "MAIL_RETRY_HOURS",
        24.0,
        "how long an email waits for a mail server that is away or refuses the login; such "
        "attempts do not count towards `MAX_ATTEMPTS`",
        0.0,
        720.0,
    ),
)

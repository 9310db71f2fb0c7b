"""`make doctor`: checks everything that Headway depends on, and says what to do about faults.

A check is a function that takes the settings and yields findings; `CHECKS` holds them in order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from app import config, mail_checks
from headway import ConfigError
from headway.checks import Finding, Mark, broker_findings, file_findings, redis_findings
from headway.secrets import is_weak, mask

Settings: TypeAlias = Mapping[str, Any]


def check_secret(settings: Settings) -> Iterator[Finding]:
    """Check that nobody can guess SECRET_KEY, and so act as any visitor.

    In production a weak one is refused before, as the settings are loaded.
    """
    if is_weak(settings["SECRET_KEY"]):
        text = "weak, and refused in production: set a random one of 16 characters or more"
        yield Finding(Mark.WARNING, "SECRET_KEY", text)
    else:
        yield Finding(Mark.GOOD, "SECRET_KEY", "strong enough")


def check_https(settings: Settings) -> Iterator[Finding]:
    """Check that browsers reach production over https, by names that are known."""
    try:
        config.refuse_unsafe_serving(settings)
    except ConfigError as error:
        yield Finding(Mark.BAD, "serving", str(error))
    if settings["APP_ENV"] == "production" and settings["ALLOW_PLAIN_HTTP"]:
        text = "ALLOW_PLAIN_HTTP is 1: cookies and pages can be read on the way"
        yield Finding(Mark.WARNING, "https", text)


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Check the Redis of REDIS_URL; see `headway.checks`."""
    url = settings["REDIS_URL"]
    broker_url = settings["CELERY_BROKER_URL"]
    prefix = settings["REDIS_KEY_PREFIX"]
    for finding in redis_findings(url, broker_url, prefix=prefix, queues=config.QUEUES):
        yield finding._replace(subject=f"Redis {finding.subject}")


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Check the broker, if it is not the Redis of the records."""
    if settings["CELERY_BROKER_URL"] != settings["REDIS_URL"]:
        yield from broker_findings(settings["CELERY_BROKER_URL"])


def check_files(settings: Settings) -> Iterator[Finding]:
    """Check the bucket of FILES, if one is set, or the folder of files."""
    yield from file_findings(settings["FILES"] or settings["DATA_DIR"] / "files")


def check_mail(settings: Settings) -> Iterator[Finding]:
    """Check the mail server of MAIL_SERVER, if one is set; see app/mail_checks.py."""
    if settings["MAIL_INBOX"] is None:
        for finding in mail_checks.findings(settings):
            yield finding._replace(subject=f"mail {finding.subject}")


CHECKS: Iterable[Callable[[Settings], Iterator[Finding]]] = (
    check_secret,
    check_https,
    check_redis,
    check_broker,
    check_files,
    check_mail,
)


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Print all findings; return the exit code, 1 if something does not work."""
    try:
        settings = config.load(environ)
    except ConfigError as error:
        print(mask(str(Finding(Mark.BAD, "settings", str(error)))))
        return 1
    print(Finding(Mark.GOOD, "settings", f"for {settings['APP_ENV']}"))
    worked = True
    for check in CHECKS:
        for finding in check(settings):
            print(mask(str(finding)), flush=True)
            worked &= finding.mark is not Mark.BAD
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())

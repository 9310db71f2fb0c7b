"""Runs a task that sends again, later: after a deferral, in a mail outage, at a limit."""

from __future__ import annotations

import time
from typing import Any

from flask import current_app

from app.extensions import headway
from app.mail_errors import MailUnavailable
from app.outage import MAX_WAIT_SECONDS, OUTAGE
from headway import failures_of, retry_later

# The message header with the Unix time at which an email first had to wait for its mail server.
SINCE = "headway_waits_since"
MIN_WAITS = 8  # of an email within MAIL_RETRY_HOURS
RETRY_GROWTH = 6  # 10 s, 1 min, 6 min: a server that defers strangers wants some minutes


def deferred(task: Any, obstacle: Exception) -> Exception:
    """Return the Retry by which a task tries again after a back-off, while attempts remain."""
    countdown = current_app.config["MAIL_RETRY_SECONDS"] * RETRY_GROWTH ** failures_of(task)
    return retry_later(task, obstacle, countdown)


def until_there(task: Any, obstacle: MailUnavailable) -> Exception:
    """Return the Retry by which a task waits for its mail server without using up an attempt.

    After MAIL_RETRY_HOURS it returns the obstacle itself.
    """
    settings = current_app.config
    since = float(getattr(task.request, SINCE, None) or time.time())
    patience = settings["MAIL_RETRY_HOURS"] * 3600
    spacing = settings["MAIL_RETRY_SECONDS"], min(MAX_WAIT_SECONDS, patience / MIN_WAITS)
    countdown = OUTAGE.meet(obstacle, spacing, headway.redis)
    if time.time() + countdown > since + patience:
        return obstacle
    return uncounted(task, obstacle, countdown, since)


def uncounted(
    task: Any, obstacle: Exception, countdown: float, since: float | None = None
) -> Exception:
    """Return the Retry by which a task waits so many seconds without using up an attempt.

    `since` is the Unix time from which its patience with the mail server counts, if it does.
    """
    return retry_later(task, obstacle, countdown, is_failure=False, headers={SINCE: since})

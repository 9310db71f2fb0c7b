"""The article's email as a task: its progress is shown up to the mail server's reply."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from flask import current_app

import headway
from app.addresses import BadAddress, check_address
from app.email_limits import count_email
from app.extensions import mail
from app.mail_errors import MailDeferred, MailUnavailable, OutcomeUnknown
from app.messages import make_message
from app.outage import MAX_WAIT_SECONDS, OUTAGE
from headway.celery.runs import Stopped
from headway.celery.sends import waits_of
from headway.celery.task import LiveTask
from headway.labels import Labels
from headway.message_headers import WAITS
from headway.registry import BadArguments
from headway.store.connection import Client
from headway.store.errors import Unavailable
from headway.store.model import Outcome
from headway.store.records import Records

# The message header with the Unix time at which an email first had to wait for its mail server.
SINCE = "headway_waits_since"
COMMIT_SECONDS = 5.0  # for `commit`, while the mail server waits for the final dot
FEWEST_WAITS = 8  # of an email within MAIL_RETRY_HOURS
RETRY_GROWTH = 6  # 10 s, 1 min, 6 min: a server that defers strangers wants some minutes


def email_message(address: str) -> dict[str, str]:
    """Return the article's email to `address`: `{"subject", "to", "body"}`."""
    return {
        "subject": "Hello from Flask",
        "to": address,
        "body": "This is a test email sent from a background Celery task.",
    }


def _email_data(args: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"email": address}` into the task's arguments. Raises BadArguments."""
    wrong = {name: "No such argument." for name in args if name != "email"}
    address = args.get("email", "")
    try:
        to = check_address(address) if isinstance(address, str) else ""
    except BadAddress as error:
        wrong["email"] = str(error)
    if not isinstance(address, str):
        wrong["email"] = "Must be text."
    if wrong:
        raise BadArguments(wrong)
    return {"email_data": email_message(to)}


@dataclass(frozen=True)
class EmailArguments:
    """What a request for an email holds."""

    email: headway.Email


class SendGuard:
    """Records the commit point of a task's email, so that it is sent at most once.

    Before the commit it may be sent again. A run that is lost after the commit may or may not have
    sent it.
    """

    def __init__(self, task: LiveTask) -> None:
        self._task = task

    def prepare(self) -> None:
        """Record that the mail server has not received the email.

        Raises OutcomeUnknown if a lost run may have sent it; Stopped.
        """
        self._note("prepared", inf)

    def commit(self) -> None:
        """Record that the email is about to be sent.

        Raises Stopped if it must not be; MailUnavailable if Redis does not answer.
        """
        try:
            self._note("committing", COMMIT_SECONDS)
        except Unavailable as error:
            raise MailUnavailable("Redis did not answer, so the message was not sent.") from error

    def _note(self, stage: Literal["prepared", "committing"], seconds: float) -> None:
        if not self._task.has_record:
            return
        outcome = self._task.backend.runs.advance_commit(self._task.request, stage, seconds)
        if outcome == Outcome.UNKNOWN:
            raise OutcomeUnknown(
                "The worker was lost while it sent this email: the mail server may have taken it."
            )
        if outcome != Outcome.WRITTEN:
            raise Stopped(outcome)


LABELS: Labels = {
    "starts": "sends",
    "succeeded": "Accepted by the mail server",
    "errors": {
        "OutcomeUnknown": "The mail server may have taken it already. If you send it again, a "
        "second email may arrive."
    },
    "again": {"OutcomeUnknown": "Send again"},
    "waiting": {"MailUnavailable": "Waiting to send"},
    "result": {"reply": "Server’s reply", "message_id": "Message-ID"},
}


@headway.task(
    "E-mail to {email}",
    queue="mail",
    validate=_email_data,
    form=EmailArguments,
    labels=LABELS,
    admit=count_email,
    bind=True,
)
def send_async_email(self: Any, email_data: Mapping[str, str]) -> dict[str, Any]:
    """Send one email, the article's.

    It is sent at most once; `email_data` is `{"subject", "to", "body"}`, the result the mail
    server's reply.

    A deferred email is retried with back-off while attempts remain. During a mail outage it waits
    for up to MAIL_RETRY_HOURS. Raises BadAddress, MailRefused, OutcomeUnknown, and the error of
    the last attempt or wait.
    """
    to = check_address(email_data["to"])
    message = make_message(self.request.id, to, email_data["subject"], email_data["body"])
    key = SendGuard(self)
    key.prepare()
    try:
        _report(self, "Connecting to the mail server...")
        with mail.connect() as connection:
            _report(self, "Sending...")
            connection.send(message, commit=key.commit)
            reply = connection.reply
    except MailDeferred as obstacle:
        OUTAGE.end(_redis())
        key.prepare()
        waits = waits_of(self.request)
        deferrals = self.request.retries - waits
        countdown = current_app.config["MAIL_RETRY_SECONDS"] * RETRY_GROWTH**deferrals
        limit = self.max_retries + waits
        raise self.retry(exc=obstacle, countdown=countdown, max_retries=limit) from None
    except MailUnavailable as obstacle:
        key.prepare()
        raise _wait(self, obstacle) from None
    OUTAGE.end(_redis())
    result = {"reply": reply, "message_id": message.msgId, "to": to}
    return {"current": 1, "total": 1, "status": "Accepted by the mail server", "result": result}


def _wait(task: Any, obstacle: MailUnavailable) -> Exception:
    """Return the Retry by which an email waits for its mail server without using up an attempt.

    After MAIL_RETRY_HOURS it returns the obstacle itself.
    """
    settings = current_app.config
    request = task.request
    since = float(getattr(request, SINCE, None) or time.time())
    patience = settings["MAIL_RETRY_HOURS"] * 3600
    spacing = settings["MAIL_RETRY_SECONDS"], min(MAX_WAIT_SECONDS, patience / FEWEST_WAITS)
    countdown = OUTAGE.meet(obstacle, spacing, _redis())
    if time.time() + countdown > since + patience:
        return obstacle
    waits = waits_of(request) + 1
    headers = {**(request.headers or {}), WAITS: waits, SINCE: since}
    limit = task.max_retries + waits
    again: Exception = task.retry(
        exc=obstacle, countdown=countdown, max_retries=limit, headers=headers, throw=False
    )
    return again


def _redis() -> Client:
    records: Records = current_app.extensions["headway"].records
    return records.client


def _report(task: Any, status: str) -> None:
    task.update_state(state="PROGRESS", meta={"current": 0, "total": 1, "status": status})

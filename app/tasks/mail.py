"""The article's email as a task: its progress is shown up to the mail server's reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from flask_mail import Message

from app.addresses import BadAddress, check_address
from app.email_limits import count_email
from app.extensions import headway, mail
from app.mail_errors import LOST, MailDeferred, MailUnavailable, OutcomeUnknown
from app.mail_waits import deferred, until_there
from app.messages import make_message
from app.outage import OUTAGE
from headway import BadArguments, Email, Labels, progress, task
from headway.texts import Sentence

UNKNOWN_ARGUMENT = Sentence("No such argument.")


def email_message(address: str) -> dict[str, str]:
    """Return the article's email to `address`: `{"subject", "to", "body"}`."""
    return {
        "subject": "Hello from Flask",
        "to": address,
        "body": "This is a test email sent from a background Celery task.",
    }


def _email_data(args: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"email": address}` into the task's arguments. Raises BadArguments."""
    wrong: dict[str, str] = dict.fromkeys(args.keys() - {"email"}, UNKNOWN_ARGUMENT)
    address = args.get("email", "")
    try:
        to = check_address(address) if isinstance(address, str) else ""
    except BadAddress as error:
        wrong["email"] = error.args[0]
    if not isinstance(address, str):
        wrong["email"] = Sentence("Must be text.")
    if wrong:
        raise BadArguments(wrong)
    return {"email_data": email_message(to)}


@dataclass(frozen=True)
class EmailArguments:
    """What a request for an email holds."""

    email: Email


LABELS: Labels = {
    "starts": Sentence("sends"),
    "succeeded": Sentence("Accepted by the mail server"),
    "errors": {
        "OutcomeUnknown": Sentence(
            "The mail server may have taken it already. If you send it again, a second email "
            "may arrive."
        )
    },
    "again": {"OutcomeUnknown": Sentence("Send again")},
    "waiting": {"MailUnavailable": Sentence("Waiting to send")},
    "result": {"reply": Sentence("Server’s reply"), "message_id": Sentence("Message-ID")},
}


@task(
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
    try:
        reply = progress.once("email", partial(_send, self, message), _be_lost, commits=True)
    except MailDeferred as obstacle:
        OUTAGE.end(headway.redis)
        raise deferred(self, obstacle) from None
    except MailUnavailable as obstacle:
        raise until_there(self, obstacle) from None
    OUTAGE.end(headway.redis)
    result = {"reply": reply, "message_id": message.msgId, "to": to}
    return {"current": 1, "total": 1, "status": "Accepted by the mail server", "result": result}


def _send(task: Any, message: Message, commit: Callable[[], None]) -> str:
    """Send the message, and return the mail server's reply."""
    _report(task, Sentence("Connecting to the mail server..."))
    with mail.connect() as connection:
        _report(task, Sentence("Sending..."))
        connection.send(message, commit=commit)
        return connection.reply


def _be_lost() -> NoReturn:
    raise OutcomeUnknown(LOST)


def _report(task: Any, status: str) -> None:
    task.update_state(state="PROGRESS", meta={"current": 0, "total": 1, "status": status})

"""The article's e-mail, as a task like any other: where it stands is shown, up to the mail server's answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask import current_app

from app.extensions import mail
from app.mail import letter
from app.tasks.kinds import BadArguments, startable

LONGEST_ADDRESS = 254
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class BadAddress(ValueError):
    """A text that is no e-mail address to send to; the message says why, in a sentence."""


def check_address(text: str) -> str:
    """Return the one address that `text` is, in the form in which it goes to a mail server (all ASCII).

    Domains that are reserved for tests ("ada@example.test") pass where no real mail server is set.
    Raises BadAddress.
    """
    if not text:
        raise BadAddress("Enter an e-mail address.")
    if len(text) > LONGEST_ADDRESS:
        raise BadAddress(f"An e-mail address has at most {LONGEST_ADDRESS} characters.")
    if any(unicodedata.category(char) in INVISIBLE for char in text):
        raise BadAddress("An e-mail address has no line breaks or invisible characters.")
    if text.count("@") > 1 or "," in text or ";" in text:
        raise BadAddress("Enter one e-mail address, not several.")
    if "<" in text or ">" in text:
        raise BadAddress("Enter the address alone, without a name or brackets.")
    no_real_mail = current_app.config["MAIL_INBOX"] is not None
    try:
        valid = validate_email(
            text,
            check_deliverability=False,
            # Flask-Mail would send to another mailbox: it encodes such a local part as if it were a header's words.
            allow_smtputf8=False,
            test_environment=no_real_mail,
        )
    except EmailNotValidError as error:
        raise BadAddress(str(error)) from None
    address = valid.ascii_email
    if address is None or len(address) > LONGEST_ADDRESS:
        raise BadAddress(f"An e-mail address has at most {LONGEST_ADDRESS} characters.")
    return address


def email_message(address: str) -> dict[str, str]:
    """Return the article's e-mail to `address`: `{"subject", "to", "body"}`."""
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
        wrong["email"] = "Must be of type str."
    if wrong:
        raise BadArguments(wrong)
    return {"email_data": email_message(to)}


@startable("E-mail to {email}", queue="mail", prepare=_email_data, bind=True)
def send_async_email(self: Any, email_data: Mapping[str, str]) -> dict[str, Any]:
    """Send `{"subject", "to", "body"}` and return what the mail server said.

    Raises BadAddress, and what `TimedConnection.send` raises. Nothing here tries again.
    """
    to = check_address(email_data["to"])
    message = letter(self.request.id, to, email_data["subject"], email_data["body"])
    _report(self, "Connecting to the mail server...")
    with mail.connect() as connection:
        _report(self, "Sending...")
        connection.send(message)
        result = {"reply": connection.reply, "message_id": message.msgId, "to": to}
    return {"current": 1, "total": 1, "status": "Accepted by the mail server", "result": result}


def _report(task: Any, status: str) -> None:
    task.update_state(state="PROGRESS", meta={"current": 0, "total": 1, "status": status})

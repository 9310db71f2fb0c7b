"""Checks the email addresses that people enter."""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email
from flask import current_app

from headway.texts import Sentence

MAX_ADDRESS = 254
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
TOO_LONG = Sentence("An email address has at most {most} characters.", most=MAX_ADDRESS)
# What email_validator says most often, so that the catalogues have it.
SAID_BY_VALIDATOR = (
    Sentence("An email address must have an @-sign."),
    Sentence("There must be something before the @-sign."),
    Sentence("There must be something after the @-sign."),
    Sentence("An email address cannot have two periods in a row."),
    Sentence("The email address contains invalid characters before the @-sign: {characters}."),
    Sentence("The part after the @-sign contains invalid characters: {characters}."),
    Sentence("The part after the @-sign is not valid. It should have a period."),
)


class BadAddress(ValueError):
    """A text that is not an email address to send to; the message says why, in a sentence."""


def check_address(text: str) -> str:
    """Return the email address in `text` in ASCII, as a mail server gets it. Raises BadAddress.

    Domains that are reserved for tests ("ada@example.test") pass if no real mail server is set.
    """
    if not text:
        raise BadAddress(Sentence("Enter an email address."))
    if len(text) > MAX_ADDRESS:
        raise BadAddress(TOO_LONG)
    if any(unicodedata.category(char) in INVISIBLE for char in text):
        raise BadAddress(Sentence("An email address has no line breaks or invisible characters."))
    if text.count("@") > 1 or "," in text or ";" in text:
        raise BadAddress(Sentence("Enter one email address, not several."))
    if "=?" in text:  # some mail servers, and programs that show it, decode it to another address
        raise BadAddress(Sentence("An email address has no encoded words."))
    if "<" in text or ">" in text:
        raise BadAddress(Sentence("Enter the address alone, without a name or brackets."))
    no_real_mail = current_app.config["MAIL_INBOX"] is not None
    try:
        valid = validate_email(
            text,
            check_deliverability=False,
            # Flask-Mail would send to another mailbox: it encodes such a local part as if it were
            # header text.
            allow_smtputf8=False,
            test_environment=no_real_mail,
        )
    except EmailNotValidError as error:
        raise BadAddress(str(error)) from None
    address = valid.ascii_email
    if address is None or len(address) > MAX_ADDRESS:
        raise BadAddress(TOO_LONG)
    return address

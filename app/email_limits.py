"""How many emails visitors may send: each of them, to each address, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping

from flask import current_app, request

from app.settings import EMAIL_LIMITS
from headway.limits import LimitReached, Limits, parse
from headway.web.access import current_owner


def count_email(email_data: Mapping[str, str]) -> None:
    """Count an email that the current request sends. Raises LimitReached."""
    limits: Limits = current_app.extensions["headway"].limits
    of_sender, of_recipient, of_all = (
        parse(each, current_app.config[each.name]) for each in EMAIL_LIMITS
    )
    limits.count_by(
        of_sender, "emails", "email{s}", current_owner() or "", request.remote_addr or ""
    )
    limits.take(of_recipient, f"emails:to:{email_data['to'].lower()}", "email{s} to this address")
    limits.take(of_all, "emails", "email{s} of all visitors")


class SenderWaits(Exception):
    """An owner, or all of them together, may send no more for so many `seconds`."""

    def __init__(self, reached: LimitReached) -> None:
        super().__init__(str(reached))
        self.seconds = reached.seconds


def count_in_mailing(owner: str, to: str) -> None:
    """Count an email that a mailing of this owner sends.

    Raises SenderWaits; LimitReached if only this address may get no more now.
    """
    limits: Limits = current_app.extensions["headway"].limits
    if not limits.are_on:
        return
    of_sender, of_recipient, of_all = (
        parse(each, current_app.config[each.name]) for each in EMAIL_LIMITS
    )
    limits.take(of_recipient, f"emails:to:{to.lower()}", "email{s} to this address")
    try:
        limits.take(of_sender, f"emails:owner:{owner}", "email{s}")
        limits.take(of_all, "emails", "email{s} of all visitors")
    except LimitReached as reached:
        raise SenderWaits(reached) from None

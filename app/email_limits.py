"""How many emails visitors may send: each of them, to each address, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import current_app, request
from limits import RateLimitItem

from app.extensions import headway
from app.settings import EMAIL_LIMITS
from headway import LimitReached
from headway.config import parse_limits
from headway.texts import Counted, described
from headway.views import current_owner

EMAILS = Counted("{count} email", "{count} emails")
TO_THIS_ADDRESS = Counted("{count} email to this address", "{count} emails to this address")
OF_ALL = Counted("{count} email of all visitors", "{count} emails of all visitors")
# In Redis for an email of a mailing that waits: against which limits it has been counted.
COUNTED = "headway:mail-counted"
FOR_RECIPIENT, FOR_ALL = "recipient", "all"
HOUR_SECONDS = 3600


def _email_limits() -> Iterator[tuple[RateLimitItem, ...]]:
    """Yield the limits of a sender, of a recipient, and of all together."""
    for each in EMAIL_LIMITS:
        yield parse_limits(each.name, current_app.config[each.name])


def count_email(email_data: Mapping[str, str]) -> None:
    """Count an email that the current request sends. Raises LimitReached."""
    limits = headway.limits
    of_sender, of_recipient, of_all = _email_limits()
    limits.count_by(of_sender, "emails", EMAILS, current_owner() or "", request.remote_addr or "")
    limits.take(of_recipient, f"emails:to:{email_data['to'].lower()}", TO_THIS_ADDRESS)
    limits.take(of_all, "emails", OF_ALL)


class SenderWaits(Exception):
    """An owner, or all of them together, may send no more for so many `seconds`."""

    def __init__(self, limit: str, seconds: float) -> None:
        super().__init__(limit)
        self.seconds = seconds


def limits_below(count: int) -> list[str]:
    """Return in words the limits at which a mailing of so many emails has to wait."""
    limits = headway.limits
    if not limits.are_on:
        return []
    of_sender, _, of_all = _email_limits()
    named = [(item, EMAILS) for item in of_sender]
    named += [(item, OF_ALL) for item in of_all]
    return [described(item, words) for item, words in named if item.amount < count]


def count_in_mailing(owner: str, to: str, email_id: str) -> None:
    """Count an email that a mailing of this owner sends, once however often it is tried.

    After an attempt that failed call `keep_count`. Raises SenderWaits; LimitReached if only this
    address may get no more now.
    """
    limits = headway.limits
    if not limits.are_on:
        return
    of_sender, of_recipient, of_all = _email_limits()
    counted = headway.redis.get(f"{COUNTED}:{email_id}")
    if counted == FOR_ALL:
        return
    if counted != FOR_RECIPIENT:
        limits.take(of_recipient, f"emails:to:{to.lower()}", TO_THIS_ADDRESS)
    try:
        limits.take(of_sender, f"emails:owner:{owner}", EMAILS)
        limits.take(of_all, "emails", OF_ALL)
    except LimitReached as reached:
        keep_count(email_id, FOR_RECIPIENT)
        raise SenderWaits(reached.limit, reached.seconds) from None


def keep_count(email_id: str, counted: str = FOR_ALL) -> None:
    """Keep that an email has been counted which is not sent yet, for its next attempt."""
    if headway.limits.are_on:
        seconds = current_app.config["MAIL_RETRY_HOURS"] * 3600 + HOUR_SECONDS
        headway.redis.set(f"{COUNTED}:{email_id}", counted, ex=int(seconds))

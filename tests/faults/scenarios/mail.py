"""A mail server that is away, refuses, defers, is silent, or drops the line before or after the
message.
"""

from __future__ import annotations

import time

from tests.faults.load import MAILS
from tests.faults.report import Row
from tests.faults.system import System
from tests.faults.tally import UNKNOWN
from tests.faults.trial import Trial, trial
from tests.processes import wait_for
from tests.smtp_server import DROP, REPLIES, SILENCE


def down(system: System, seconds: float) -> Row:
    """Nobody listens; each email waits for its next attempt, and is sent."""
    with trial(system, "SMTP: down", once=True) as one:
        one.load(6, MAILS)
        time.sleep(1)
        system.smtp.close()
        time.sleep(seconds)
        _must_be_met(one)
        system.smtp.reopen()
        one.ended()
    return one.row


def deferring(system: System, seconds: float) -> Row:
    return _with_answer(system, "SMTP: 4xx", seconds, "rcpt", "451 4.7.1 come back later")


def deferring_message(system: System, seconds: float) -> Row:
    return _with_answer(
        system, "SMTP: 4xx after DATA", seconds, "message", "451 4.3.0 come back later"
    )


def refusing(system: System, seconds: float) -> Row:
    return _with_answer(
        system, "SMTP: 5xx", seconds, "rcpt", "550 5.1.1 no such user", error="MailRefused"
    )


def silent(system: System, seconds: float) -> Row:
    return _with_answer(system, "SMTP: silent", seconds, "connect", SILENCE)


def dropping_before_data(system: System, seconds: float) -> Row:
    return _with_answer(system, "SMTP: dropped before DATA", seconds, "data", DROP)


def dropping_in_message(system: System, seconds: float) -> Row:
    """The client may notice before it commits itself, or only after."""
    return _with_answer(
        system, "SMTP: dropped in the message", seconds, "body", DROP, error=UNKNOWN
    )


def dropping_after_data(system: System, seconds: float) -> Row:
    return _with_answer(system, "SMTP: dropped after DATA", seconds, "message", DROP, error=UNKNOWN)


def silent_after_data(system: System, seconds: float) -> Row:
    return _with_answer(
        system, "SMTP: silent after DATA", seconds, "message", SILENCE, error=UNKNOWN
    )


def dropping_at_quit(system: System, seconds: float) -> Row:
    """The message was taken; how the server says goodbye does not matter."""
    with trial(system, "SMTP: dropped at QUIT", once=True) as one:
        system.smtp.replies["quit"] = DROP
        one.load(6, MAILS)
        time.sleep(seconds)
        system.smtp.replies["quit"] = REPLIES["quit"]
        one.ended()
    return one.row


def _with_answer(
    system: System, fault: str, seconds: float, step: str, answer: str, error: str = ""
) -> Row:
    """Answer so for a while.

    Emails end with `error`, or wait for their next attempt and are sent then.
    """
    with trial(system, fault, once=True, errors={error}) as one:
        one.load(6, MAILS)
        time.sleep(1)
        system.smtp.replies[step] = answer
        system.smtp.hang_up()  # those that are connected are to meet it too
        time.sleep(seconds)
        _must_be_met(one, error)
        system.smtp.replies[step] = REPLIES[step]
        one.ended()
    return one.row


def _must_be_met(one: Trial, error: str = "") -> None:
    """Wait until some email has met the fault: it has ended with `error`, or waits for another
    attempt.
    """

    def met() -> bool:
        ids = [task_id for start in one.starts if start.is_mail for task_id in list(start.task_ids)]
        return any(
            mail["phase"] == "retrying" or (mail["error"] and mail["error"]["type"] == error)
            for mail in map(one.status, ids)
        )

    wait_for(met, 20, "no email has met the fault")

"""The reference application's two real jobs, whose workers are killed and stopped meanwhile."""

from __future__ import annotations

import csv
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any

from tests.faults.load import Start
from tests.faults.report import Row
from tests.faults.system import System, kill
from tests.faults.trial import Trial, trial
from tests.processes import wait_for

NUMBERS = count(1)
STEP_SECONDS = 120.0
END_SECONDS = 600.0
UPLOAD_SECONDS = 60.0
STRIKES = 10
FEW_STRIKES = 2
MANY = 10_000  # recipients or rows, from which the job is struck more often
BAD_EVERY = 50  # rows, of which one is no recipient and no contact
REPLY_SECONDS = 0.01  # of the mail server, so that a few emails take long enough to be struck


def mailing(system: System, recipients: int) -> Row:
    """Each recipient has the email once, or it is said that nobody can know; none is left out."""
    domain = f"m{next(NUMBERS)}.example.com"
    emails = [f"r{n}@{domain}" for n in range(int(recipients))]
    rows = "".join(f"{email},{email.partition('@')[0]}\n" for email in emails)
    strikes = _strikes(len(emails))
    with trial(system, "a mailing", strikes) as one:
        system.smtp.delays["message"] = REPLY_SECONDS
        before = len(system.smtp.accepted)
        about = {"subject": "Hello {name}", "body": ["Hi."]}
        begun = time.monotonic()
        task_id = _start(one, "send_mailing", "Email,Name\nbad,Bad\n" + rows, **about)
        _answer(one, task_id)
        _strike(one, strikes, len(emails), lambda: len(system.smtp.accepted) - before)
        one.until("succeeded", task_id, END_SECONDS)
        seconds = time.monotonic() - begun
        sent = Counter(taken.rcpt_tos[0] for taken in system.smtp.accepted[before:])
        outcomes = {row[1]: row[2] for row in _file(one, task_id, "outcomes.csv")}
        for email in emails:
            _judge(one.row, email, sent[email], outcomes.get(email, ""))
        if outcomes.get("bad") != "left out" or len(outcomes) != len(emails) + 1:
            one.row.object_to(f"outcomes.csv has {len(outcomes)} rows")
        one.row.figures = (
            f"{len(emails):,} recipients in {seconds:.0f} s: {sent.total():,} emails accepted, "
            f"{one.row.unknown} of unknown fate"
        )
    return one.row


def contacts(system: System, rows: int) -> Row:
    """Each row is stored once, or rejected once."""
    domain = f"c{next(NUMBERS)}.example.com"
    emails = [f"p{n}{'@' if n % BAD_EVERY == 0 else ''}@{domain}" for n in range(int(rows))]
    strikes = _strikes(len(emails))
    with trial(system, "an import", strikes) as one:
        begun = time.monotonic()
        text = "Email\n" + "\n".join(emails)
        task_id = _start(one, "import_contacts", text)
        _strike(one, strikes, len(emails), lambda: int(one.status(task_id)["current"]))
        one.until("succeeded", task_id, END_SECONDS)
        seconds = time.monotonic() - begun
        path = system.folder / "data" / "contacts.sqlite3"
        with closing(sqlite3.connect(path)) as database:
            stored = Counter(
                email
                for (email,) in database.execute(
                    "SELECT email FROM contacts WHERE email LIKE ?", [f"%@{domain}"]
                )
            )
        rejected = Counter(row[2] for row in _file(one, task_id, "rejected.csv"))
        for email in emails:
            times = stored[email] + rejected[email]
            if times > 1:
                one.row.double(f"{email} is there {times} times")
            elif not times:
                one.row.lose(f"{email} is neither stored nor rejected")
        one.row.figures = (
            f"{len(emails):,} rows in {seconds:.0f} s: {stored.total():,} stored, "
            f"{rejected.total():,} rejected"
        )
    return one.row


def _strikes(amount: int) -> int:
    return STRIKES if amount >= MANY else FEW_STRIKES


def _start(one: Trial, name: str, text: str, **args: Any) -> str:
    """Upload a file and start a job with it; returns the task's id."""
    visitor = one.visitors[0]
    answer = visitor.http.post(
        f"{visitor.address}/uploads",
        files={"file": ("people.csv", text.encode())},
        timeout=UPLOAD_SECONDS,
    )
    assert answer.ok, answer.text
    return one.start(Start(name, {"source": answer.json()["upload_id"], **args}))


def _answer(one: Trial, task_id: str) -> None:
    question = one.until("waiting", task_id)["question"]
    visitor = one.visitors[0]
    answer = visitor.http.post(
        f"{visitor.address}/tasks/{task_id}/answer",
        json={"question_id": question["id"], "value": "Send"},
        timeout=UPLOAD_SECONDS,
    )
    assert answer.status_code == 202, answer.text


def _strike(one: Trial, strikes: int, amount: int, done: Callable[[], int]) -> None:
    """Kill or stop all workers for long tasks, so many times, evenly over the job."""
    for number in range(strikes):
        due = amount * (number + 1) // (strikes + 1)
        wait_for(lambda due=due: done() >= due, STEP_SECONDS, "the job does not get on")
        match number % 3:
            case 0:
                for pid in [pid for worker in one.system.workers for pid in worker.pool()]:
                    kill(pid)
            case 1:
                _end(one.system, signal.SIGTERM)
            case _:
                _end(one.system, signal.SIGKILL)


def _end(system: System, with_signal: int) -> None:
    for worker in system.workers:
        wait_for(
            lambda worker=worker: worker.said(" ready."),
            STEP_SECONDS,
            f"{worker.name} is not ready",
        )
        worker.end(with_signal)


def _file(one: Trial, task_id: str, name: str) -> list[list[str]]:
    """Return the rows of a file that a task gave out, without its headings."""
    visitor = one.visitors[0]
    answer = visitor.http.get(
        f"{visitor.address}/tasks/{task_id}/files/{name}", timeout=UPLOAD_SECONDS
    )
    assert answer.ok, answer.text
    return [*csv.reader(answer.text.splitlines())][1:]


def _judge(row: Row, email: str, times: int, outcome: str) -> None:
    if times > 1:
        row.double(f"{email} got {times} emails")
    if outcome == "unknown":
        row.unknown += 1
    elif outcome != "sent":
        row.lose(f"{email} is {outcome or 'not in the file'}")
    elif not times:
        row.lose(f"the email to {email} is said to be sent, and the server has not got it")

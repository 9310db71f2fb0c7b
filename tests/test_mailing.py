"""Bulk email: what is seen before, what becomes of each recipient, and nobody gets it twice."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.tasks import mailing
from headway.state import state_of
from tests.smtp_server import DROP, REPLIES, SmtpServer

PEOPLE = "Name,E-Mail,City\nAda,ada@example.com,London\nBob,bob,\nEve,eve@example.com,Paris\n"
AGAIN = "Ada again,ADA@example.com,\n"


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def app(env: dict[str, str], smtp: SmtpServer) -> Flask:
    port = str(smtp.port)
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port, "MAIL_RETRY_SECONDS": "0"}
    return create_app({**env, **mail, "MAX_ATTEMPTS": "2", "RATE_LIMITS": "off"})


@pytest.fixture
def headway_celery_app(app: Flask) -> Celery:
    return state_of(app).celery


@pytest.fixture(autouse=True)
def mailings(app: Flask, headway_eager: Any) -> Any:
    """Run what is started in this process."""
    return headway_eager


def start(client: FlaskClient, text: str, subject: str = "Hi {name}", body: str = "") -> str:
    """Upload a file, start its mailing and return the task's id."""
    answer = asked_to_start(client, text, subject, body)
    assert answer.status_code == 202, answer.text
    return str(answer.json["task_id"])


def asked_to_start(client: FlaskClient, text: str, subject: str, body: str) -> Any:
    """Upload a file, ask for its mailing and return the answer."""
    upload = client.post("/uploads", data={"file": (io.BytesIO(text.encode()), "people.csv")})
    args = {"source": upload.json["upload_id"], "subject": subject}
    args |= {"body": [body or "In {City} too?", "Yours"]}
    return client.post("/tasks", json={"name": "send_mailing", "args": args})


def outcomes(client: FlaskClient, task_id: str) -> list[list[str]]:
    text = client.get(f"/tasks/{task_id}/files/outcomes.csv", buffered=True).text
    return [*csv.reader(text.splitlines())]


def bob_is_left_out(run: Any, status: str) -> None:
    """Assert that all but the row without an address were sent to, with this status."""
    [bob] = run.snapshot.result
    assert (bob["email"], bob["outcome"]) == ("bob", "left out")
    assert run.snapshot.status == status


def sent_but_to_bob(client: FlaskClient, mailings: Any, smtp: SmtpServer) -> tuple[str, Any]:
    """Send a mailing to all but bob, who has no address; return its task's id and run."""
    task_id = start(client, PEOPLE)
    run = mailings.run_of(task_id)
    run.answer("Send")

    bob_is_left_out(run, "2 sent, 1 left out")
    assert recipients(smtp) == ["ada@example.com", "eve@example.com"]
    return task_id, run


def recipients(smtp: SmtpServer) -> list[str]:
    return [to for taken in smtp.accepted for to in taken.rcpt_tos]


def test_nothing_is_sent_before_it_was_seen(client: FlaskClient, mailings: Any, smtp: SmtpServer):
    task_id = start(client, PEOPLE + AGAIN)
    run = mailings.run_of(task_id)

    assert run.snapshot.question["text"] == "Send this to 2 recipients? 2 rows left out."
    preview = client.get(f"/tasks/{task_id}/streams/preview").json["text"]
    assert preview.startswith("✉ ada@example.com\nHi Ada\n\nIn London too?\n\nYours\n\n\n✉ eve")
    run.assert_logged("Line 5: This address stands in the file before.")
    assert smtp.complete == []

    run.answer("Do not send")

    run.assert_succeeded([])
    assert run.snapshot.status == "Nothing was sent"
    assert smtp.complete == []


def test_what_is_seen_is_what_is_sent(client: FlaskClient, mailings: Any, smtp: SmtpServer):
    task_id = start(client, '\n\nName;Email;x;x\n"Ada\nBcc: eve";ada@example.com;\n', body="Hello")
    mailings.run_of(task_id).answer("Send")

    preview = client.get(f"/tasks/{task_id}/streams/preview").json["text"]
    subject = smtp.accepted[0].message["Subject"]
    assert subject == "Hi Ada Bcc: eve"
    assert f"\n{subject}\n" in preview


def test_each_row_is_sent_its_own_text_and_its_outcome_told(
    client: FlaskClient, mailings: Any, smtp: SmtpServer
):
    task_id, run = sent_but_to_bob(client, mailings, smtp)
    eve = smtp.accepted[1].message
    assert eve["Subject"] == "Hi Eve"
    assert eve["Message-ID"].startswith(f"<{task_id}.4@")
    assert eve.get_payload(decode=True).decode().split() == ["In", "Paris", "too?", "Yours"]
    run.assert_logged("eve@example.com: sent. 250 2.0.0 Ok: queued as 4B1F")
    head, ada, bob, _ = outcomes(client, task_id)
    assert head == ["Line", "Email", "Outcome", "Words"]
    assert ada == ["2", "ada@example.com", "sent", "250 2.0.0 Ok: queued as 4B1F"]
    assert bob[:3] == ["3", "bob", "left out"]


@pytest.mark.parametrize(
    ("answer", "what", "words"),
    [
        ("550 5.1.1 no such user", "refused", "550 5.1.1 no such user"),
        (DROP, "unknown", "the server may have taken it"),
    ],
)
def test_what_the_server_refuses_or_leaves_open_is_told_and_not_sent_again(
    client: FlaskClient, mailings: Any, smtp: SmtpServer, answer: str, what: str, words: str
):
    task_id = start(client, PEOPLE)
    smtp.replies["message"] = answer
    run = mailings.run_of(task_id)
    run.answer("Send")

    assert run.snapshot.phase == "succeeded"
    assert run.snapshot.status == f"2 {what}, 1 left out"
    ada, bob, eve = run.snapshot.result
    assert ada["line"] == 2
    assert ada["email"] == "ada@example.com"
    assert (ada["outcome"], bob["outcome"], eve["outcome"]) == (what, "left out", what)
    assert words in ada["words"]
    assert words in outcomes(client, task_id)[1][3]
    listed = client.get(f"/tasks/{task_id}/result.csv").text.splitlines()
    assert listed[1].startswith(f"2,ada@example.com,{what},")
    assert len(smtp.complete) == 2


def test_going_on_sends_only_to_those_who_have_not_got_it(
    client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    send = mailing._send

    def defer_eve(task: Any, about: Any, recipient: Any, *rest: Any) -> Any:
        later = recipient.email.startswith("eve")
        smtp.replies["rcpt"] = "451 4.7.1 come back later" if later else REPLIES["rcpt"]
        return send(task, about, recipient, *rest)

    monkeypatch.setattr(mailing, "_send", defer_eve)
    task_id = start(client, PEOPLE + "Zoe,zoe@example.com,\nYan,yan@example.com,\n")
    run = mailings.run_of(task_id)
    run.answer("Send")
    run.assert_failed("SomeNotSent", "1 email could not be sent yet. The mail server said: 451")
    assert outcomes(client, task_id)[3][2] == "not yet"
    assert (run.snapshot.current, run.snapshot.total) == (3, 4)
    assert run.snapshot.resume == {"percent": 75}

    monkeypatch.setattr(mailing, "_send", send)
    smtp.replies.update(REPLIES)
    again = client.post(f"/tasks/{task_id}/retry", json={"resume": True}).json["task_id"]

    bob_is_left_out(mailings.run_of(again), "4 sent, 1 left out")
    names = ("ada", "zoe", "yan", "eve")
    assert recipients(smtp) == [f"{name}@example.com" for name in names]
    assert [row[2] for row in outcomes(client, again)[1:]] == ["sent", "left out", *3 * ["sent"]]


def test_the_numbers_add_up_at_each_moment(
    client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    send = mailing._send
    tried: Counter[str] = Counter()
    replies = {"bad": "550 5.1.1 no such user", "later": "451 4.7.1 come back later"}

    def send_as_named(task: Any, about: Any, recipient: Any, *rest: Any) -> Any:
        name = recipient.email.partition("@")[0].rstrip("0123456789")
        tried[recipient.email] += 1
        is_over = name == "later" and tried[recipient.email] > 1
        smtp.replies["rcpt"] = REPLIES["rcpt"] if is_over else replies.get(name, REPLIES["rcpt"])
        return send(task, about, recipient, *rest)

    monkeypatch.setattr(mailing, "_send", send_as_named)
    names = ["good1", "bad1", "later1", "good2", "later2", "bad2"]
    rows = "".join(f"{name},{name}@example.com,\n" for name in names)
    run = mailings.run_of(start(client, f"Name,Email,City\nBob,bob,\n{rows}"))
    run.answer("Send")

    told = [each for each in run.snapshots if "sent" in each.status]
    assert len({each.status for each in told}) >= len(names)
    for each in told[:-1]:
        assert sum(map(int, re.findall(r"(\d+) (?!not yet)", each.status))) == each.current
        assert each.total == len(names)
    statuses = [status for status, _ in groupby(each.status for each in told)]
    assert statuses.count("1 sent") == 1  # not counted up again
    assert told[-1].status == "4 sent, 2 refused, 1 left out"
    assert [row["email"] for row in told[-1].result] == [
        "bob",
        "bad1@example.com",
        "bad2@example.com",
    ]
    assert [row["words"] for row in told[-1].result][1:] == [
        f"The mail server said: {replies['bad']}"
    ] * 2
    assert tried == {f"{name}@example.com": 1 + name.startswith("later") for name in names}
    assert len(recipients(smtp)) == 4


def test_a_mailing_asks_and_tells_in_the_pages_language(client: FlaskClient, mailings: Any):
    task_id = start(client, PEOPLE)
    chinese = {"Accept": "text/html", "Accept-Language": "zh-CN"}

    asked = client.get(f"/tasks/{task_id}", headers=chinese).text
    mailings.run_of(task_id).answer("Send")
    told = client.get(f"/tasks/{task_id}", headers=chinese).text

    assert "<h2>要发送给 2 位收件人吗？ 跳过了 1 行。</h2>" in asked
    assert 'value="Do not send">不发送</button>' in asked
    assert "<h2>预览</h2>" in asked
    assert "已发送 2, 跳过 1" in told
    assert "<td>bob</td><td>跳过</td><td>电子邮件地址必须包含 @ 符号。</td>" in told


def test_cancel_pauses_before_the_next_email_is_out_and_go_on_goes_on(
    client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    send = mailing._send
    task_id = start(client, PEOPLE)

    def cancel_too(*about: Any) -> Any:
        assert client.post(f"/tasks/{task_id}/cancel").status_code == 202
        return send(*about)

    monkeypatch.setattr(mailing, "_send", cancel_too)
    run = mailings.run_of(task_id)
    run.answer("Send")
    run.assert_cancelled()
    assert recipients(smtp) == []
    assert run.snapshot.resume == {"percent": 0}

    monkeypatch.setattr(mailing, "_send", send)
    again = client.post(f"/tasks/{task_id}/retry", json={"resume": True}).json["task_id"]

    bob_is_left_out(mailings.run_of(again), "2 sent, 1 left out")
    assert recipients(smtp) == ["ada@example.com", "eve@example.com"]


def test_a_mailing_waits_at_a_limit_says_how_long_and_uses_up_no_attempt(
    app: Flask, client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: Any
):
    monkeypatch.setattr(state_of(app).limits, "are_on", True)
    app.config["EMAILS_LIMIT"] = "1/hour"
    waits: list[float] = []
    wait = mailing.uncounted

    def until_there_is_no_limit(task: Any, obstacle: Exception, seconds: float) -> Exception:
        waits.append(seconds)
        app.config["EMAILS_LIMIT"] = "1/hour" if len(waits) < 3 else "100/minute"
        return wait(task, obstacle, seconds)

    monkeypatch.setattr(mailing, "uncounted", until_there_is_no_limit)
    task_id = start(client, PEOPLE)
    run = mailings.run_of(task_id)
    asked = (
        "Send this to 2 recipients? 1 row left out. At most 1 email per hour. It waits in between."
    )
    assert run.snapshot.question["text"] == asked
    run.answer("Send")

    bob_is_left_out(run, "2 sent, 1 left out")
    page = client.get(f"/tasks/{task_id}", headers={"Accept": "text/html"}).text
    assert page.count("<strong>Waiting at a limit</strong>") == 3
    assert "failed" not in page.partition('id="timeline"')[2].partition("</section>")[0]
    assert "Traceback of attempt" not in page
    [error, *_] = [each.error for each in run.snapshots if each.phase == "retrying"]
    message = "At most 1 email per hour. 1 of 2 done."
    assert error == {"type": "SenderWaits", "message": message}
    bars = {(each.current, each.total) for each in run.snapshots if each.phase == "retrying"}
    assert bars == {(1, 2)}  # what was done is shown while it waits
    assert len(waits) == 3  # more than it has attempts
    assert 3500 < waits[0] <= 3600
    assert recipients(smtp) == ["ada@example.com", "eve@example.com"]


def test_a_mailing_that_is_paused_at_a_limit_says_how_far_it_is(
    app: Flask, client: FlaskClient, mailings: Any, monkeypatch: Any
):
    monkeypatch.setattr(state_of(app).limits, "are_on", True)
    app.config["EMAILS_LIMIT"] = "1/hour"
    wait = mailing.uncounted
    task_id = start(client, PEOPLE)

    def paused(task: Any, obstacle: Exception, seconds: float) -> Exception:
        assert client.post(f"/tasks/{task_id}/cancel").status_code == 202
        return wait(task, obstacle, seconds)

    monkeypatch.setattr(mailing, "uncounted", paused)
    run = mailings.run_of(task_id)
    run.answer("Send")

    run.assert_cancelled()
    assert (run.snapshot.current, run.snapshot.total) == (1, 2)
    page = client.get(f"/tasks/{task_id}", headers={"Accept": "text/html"}).text
    assert "Paused at 50" in page
    timeline = page.partition('id="timeline"')[2].partition("</section>")[0]
    assert "<strong>Paused</strong>" in timeline
    assert "Cancelled" not in timeline


def test_an_email_that_is_tried_again_counts_once(
    app: Flask, client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: Any
):
    monkeypatch.setattr(state_of(app).limits, "are_on", True)
    app.config["EMAILS_PER_RECIPIENT_LIMIT"] = "1/day"
    app.config["EMAILS_LIMIT"] = "2/day"
    smtp.replies["rcpt"] = "451 4.7.1 come back later"
    again = mailing.deferred

    def once_more(task: Any, obstacle: Exception) -> Exception:
        smtp.replies.update(REPLIES)
        return again(task, obstacle)

    monkeypatch.setattr(mailing, "deferred", once_more)
    sent_but_to_bob(client, mailings, smtp)


def test_an_email_that_waits_for_its_sender_counts_once_for_its_recipient(
    app: Flask, client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: Any
):
    monkeypatch.setattr(state_of(app).limits, "are_on", True)
    app.config["EMAILS_PER_RECIPIENT_LIMIT"] = "1/day"
    app.config["EMAILS_LIMIT"] = "1/hour"
    wait = mailing.uncounted

    def until_there_is_no_limit(task: Any, obstacle: Exception, seconds: float) -> Exception:
        app.config["EMAILS_LIMIT"] = "100/minute"
        return wait(task, obstacle, seconds)

    monkeypatch.setattr(mailing, "uncounted", until_there_is_no_limit)
    sent_but_to_bob(client, mailings, smtp)


def test_a_mailing_waits_for_a_mail_server_that_is_away(
    client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    task_id = start(client, PEOPLE)
    wait = mailing.until_there

    def until_it_answers(task: Any, obstacle: Any) -> Exception:
        smtp.replies["connect"] = REPLIES["connect"]
        return wait(task, obstacle)

    monkeypatch.setattr(mailing, "until_there", until_it_answers)
    smtp.replies["connect"] = "554 5.3.2 not today"
    run = mailings.run_of(task_id)
    run.answer("Send")

    bob_is_left_out(run, "2 sent, 1 left out")
    assert recipients(smtp) == ["ada@example.com", "eve@example.com"]


def test_an_email_that_a_lost_run_had_begun_is_told_and_not_sent_again(
    client: FlaskClient, mailings: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    send = mailing._send

    def lose(task: Any, about: Any, recipient: Any, *rest: Any) -> Any:
        if recipient.email.startswith("eve"):
            _, commit = rest
            commit()
            raise SoftTimeLimitExceeded  # which leaves the effect in doubt, as a kill does
        return send(task, about, recipient, *rest)

    monkeypatch.setattr(mailing, "_send", lose)
    task_id = start(client, PEOPLE)
    mailings.run_of(task_id).answer("Send")
    monkeypatch.setattr(mailing, "_send", send)

    again = client.post(f"/tasks/{task_id}/retry", json={"resume": True}).json["task_id"]

    assert mailings.run_of(again).snapshot.status == "1 sent, 1 unknown, 1 left out"
    assert recipients(smtp) == ["ada@example.com"]
    assert outcomes(client, again)[3][2:] == ["unknown", mailing.LOST]


@pytest.mark.parametrize(
    ("text", "subject", "why"),
    [
        ("Email\nbob\n", "Hi", "No row has a valid email address."),
        (
            'Email,Name\na@example.com,Ada\nb@example.com,"Bob\nc@example.com,Eve\n',
            "Hi",
            "Line 3 is not CSV: unexpected end of data. Perhaps a quotation mark is not closed.",
        ),
    ],
)
def test_what_cannot_be_a_mailing_says_why_before_it_asks(
    client: FlaskClient, mailings: Any, text: str, subject: str, why: str
):
    mailings.run_of(start(client, text, subject, "Hello")).assert_failed("ValueError", why)


@pytest.mark.parametrize(
    ("text", "subject", "body", "field", "why"),
    [
        (
            PEOPLE,
            "Hi {nme}",
            "",
            "subject",
            "No column is named 'nme'. There are: Name, E-Mail, City.",
        ),
        (PEOPLE, "{name.__class__}", "", "subject", "No column is named 'name.__class__'."),
        (PEOPLE, "Hi", "In {Town}", "body", "No column is named 'Town'."),
        ("Name\nBob\n", "Hi", "Hello", "source", "No column is named Email."),
        ("", "Hi", "Hello", "source", "This file is empty"),
        ("Email, email\na@b.org,b@b.org\n", "Hi", "Hello", "source", "2 columns are named 'Email'"),
        (
            "Email,Name,name\na@b.org,A,B\n",
            "{Name}",
            "Hello",
            "subject",
            "2 columns are named 'Name'",
        ),
    ],
)
def test_a_field_that_is_no_column_is_found_before_the_start(
    client: FlaskClient, text: str, subject: str, body: str, field: str, why: str
):
    answer = asked_to_start(client, text, subject, body)

    assert answer.status_code == 400
    assert answer.json["error"]["fields"][field].startswith(why)
    assert client.get("/tasks").json["tasks"] == []

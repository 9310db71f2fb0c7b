"""Whole flows over real processes: the article's client, an email's fate, the outbox, many
visitors at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import claimed_by, write
from tests.processes import System, running, wait_for, web, worker
from tests.smtp_server import REPLIES, SmtpServer


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(
        tmp_path_factory.mktemp("system"), LONG_TASK_STEPS="15", LONG_TASK_STEP_SECONDS="0.05"
    )
    yield system
    system.stop()


@pytest.fixture(scope="module")
def mail_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, SmtpServer]]:
    """A system that sends to a mail server of the tests', with a conversation for each message."""
    with SmtpServer() as server:
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port), "MAIL_MAX_EMAILS": "1"}
        limits = {"MAIL_TIMEOUT_SECONDS": "2", "MAX_ATTEMPTS": "2", "MAIL_RETRY_SECONDS": "0.1"}
        limits["MAIL_RETRY_HOURS"] = "0.0005"
        system = System(tmp_path_factory.mktemp("mail"), **mail, **limits)
        yield system, server
        system.stop()


@pytest.fixture
def mailing(mail_system: tuple[System, SmtpServer]) -> Iterator[tuple[str, SmtpServer]]:
    """The address of a web process, and a mail server that takes everything until the test says
    otherwise.
    """
    system, server = mail_system
    yield system.address, server
    server.replies.update(REPLIES)
    server.first.clear()
    server.delays.clear()
    server.accepted.clear()


def start_email(visitor: Visitor, submit: str = "Send") -> dict[str, Any]:
    form = {"email": "ada@example.com", "submit": submit}
    response = visitor.http.post(
        visitor.address, data=form, headers={"Accept": "application/json"}, timeout=10
    )
    assert response.status_code == 202, response.text
    return dict(response.json())


def end_of(visitor: Visitor, task_id: str, seconds: float = 20) -> dict[str, Any]:
    return wait_for(lambda: (s := visitor.status(task_id))["finished_at"] and s, seconds)


def test_the_articles_own_client_works(system: System):
    """What the article's page does: POST, take Location, poll, compute a percentage, end at any
    other state.
    """
    started = requests.post(f"{system.address}/longtask", timeout=10)
    where = system.address + started.headers["Location"]
    seen: list[tuple[str, int]] = []

    def poll() -> dict[str, Any] | None:
        told = requests.get(where, cookies=started.cookies, timeout=10).json()
        seen.append((told["state"], int(told["current"] * 100 / told["total"])))
        return None if told["state"] in ("PENDING", "PROGRESS") else told

    end = wait_for(poll)

    assert (
        end.items()
        >= {"current": 100, "total": 100, "status": "Task completed!", "result": 42}.items()
    )
    assert {state for state, _ in seen} <= {"PENDING", "PROGRESS", "SUCCESS"}
    assert [percent for _, percent in seen] == sorted(percent for _, percent in seen)


def test_the_percentage_of_the_articles_page_moves_with_the_task(
    client: FlaskClient, records: Records
):
    task_id = claimed_by(client, records)

    def percent() -> tuple[str, int]:
        told = client.get(f"/status/{task_id}").get_json()
        return told["state"], int(told["current"] * 100 / told["total"])

    seen = []
    for current in (10, 250, 400, 990):
        write(records, task_id, current)
        seen.append(percent())

    assert seen == [("PROGRESS", 1), ("PROGRESS", 25), ("PROGRESS", 40), ("PROGRESS", 99)]


def test_an_emails_way_to_the_mail_servers_yes_is_pushed(mailing: tuple[str, SmtpServer]):
    address, server = mailing
    visitor = Visitor(address).connect()
    visitor.call("watch_mine", {})
    # words that follow each other at once are told of together
    server.delays |= {
        "connect": 0.5,
        "message": 0.5,
    }

    task_id = start_email(visitor)["task_id"]
    end = visitor.wait_for_end(task_id)

    assert (end["phase"], end["status"]) == ("succeeded", "Accepted by the mail server")
    assert end["result"]["reply"] == "250 2.0.0 Ok: queued as 4B1F"
    assert end["result"]["message_id"].startswith(f"<{task_id}@")
    assert server.message_ids() == {end["result"]["message_id"]: 1}
    assert [s["status"] for s in visitor.pushed(task_id)][-3:-1] == [
        "Connecting to the mail server...",
        "Sending...",
    ]
    message = server.accepted[0].message
    assert message["Subject"] == "Hello from Flask"
    assert (
        message.get_payload(decode=True).decode().strip()
        == "This is a test email sent from a background Celery task."
    )
    visitor.close()


@pytest.mark.parametrize(
    ("step", "answer", "error"),
    [
        ("rcpt", "550 5.1.1 no such user", "MailRefused"),
        ("rcpt", "451 4.7.1 greylisted", "MailDeferred"),
        ("connect", "silence", "MailUnavailable"),
        ("message", "drop", "OutcomeUnknown"),
    ],
)
def test_an_email_that_is_not_taken_ends_with_the_reason(
    mailing: tuple[str, SmtpServer], step: str, answer: str, error: str
):
    address, server = mailing
    server.replies[step] = answer
    visitor = Visitor(address)

    end = end_of(visitor, start_email(visitor)["task_id"])

    assert (end["phase"], end["error"]["type"]) == ("failed", error)
    if answer[0].isdigit():
        assert answer in end["error"]["message"]
    assert server.accepted == []


def test_an_email_that_is_deferred_waits_says_so_and_is_sent_once(mailing: tuple[str, SmtpServer]):
    address, server = mailing
    server.first["rcpt"] = "451 4.7.1 greylisted"
    visitor = Visitor(address).connect()
    visitor.call("watch_mine", {})
    task_id = start_email(visitor)["task_id"]

    waiting = wait_for(
        lambda: next((s for s in visitor.pushed(task_id) if s["phase"] == "retrying"), None)
    )
    end = visitor.wait_for_end(task_id)

    assert waiting["error"] == {
        "type": "MailDeferred",
        "message": "The mail server said: 451 4.7.1 greylisted",
    }
    assert waiting["scheduled_for"] > waiting["updated_at"]
    assert (end["phase"], end["attempt"], end["error"]) == ("succeeded", 2, None)
    assert server.message_ids()[f"<{task_id}@example.com>"] == 1


def test_a_mail_server_that_is_not_there_ends_the_task(mailing: tuple[str, SmtpServer]):
    address, server = mailing
    visitor = Visitor(address)
    server.close()

    end = end_of(visitor, start_email(visitor)["task_id"])

    server.reopen()
    assert (end["phase"], end["error"]["type"]) == ("failed", "MailUnavailable")


def test_an_email_for_later_goes_once_and_not_before_its_time(system: System):
    visitor = Visitor(system.address).connect()
    visitor.call("watch_mine", {})
    body = {"name": "send_async_email", "args": {"email": "ada@example.com"}, "countdown": 2}

    first = visitor.http.post(f"{system.address}/tasks", json=body, timeout=10).json()
    end = visitor.wait_for_end(first["task_id"])

    assert first["phase"] == "scheduled"
    history = [(s["phase"], s["updated_at"]) for s in visitor.pushed(first["task_id"])]
    phases = [phase for phase, _ in history]
    assert phases[:2] == ["scheduled", "queued"] or phases[0] == "queued"
    assert end["phase"] == "succeeded"
    assert next(at for phase, at in history if phase == "queued") >= first["scheduled_for"]
    sent = visitor.http.get(
        f"{system.address}/inbox.json", params={"task_id": first["task_id"]}, timeout=10
    ).json()
    assert len(sent["messages"]) == 1
    visitor.close()


def test_a_task_whose_sender_died_before_the_message_is_sent_by_a_keeper(system: System):
    records = Records(system.valkey.connect(), 7)
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    task_id = records.starts.create(
        owner="ada", message=message, title="Long task", max_attempts=4
    ).task_id
    records.client.zadd("headway:outbox", {task_id: 1})  # as if its five seconds were over

    [end] = wait_for(
        lambda: [s for s in records.read([task_id]) if s and json.loads(s.snapshot)["finished_at"]]
    )

    assert json.loads(end.snapshot)["result"] == 42
    assert records.client.zscore("headway:outbox", task_id) is None


def test_a_task_goes_on_elsewhere_when_its_worker_is_stopped(env: dict[str, str], tmp_path: Path):
    """As at a deploy: the stopped worker gives its message back and its lease up, and the next
    one begins at once.
    """
    env |= {"LONG_TASK_STEPS": "24", "LONG_TASK_STEP_SECONDS": "0.5"}
    with ExitStack() as stack:
        process, address = web(tmp_path, env)
        stack.enter_context(running(process))
        visitor = Visitor(address)
        first = worker(tmp_path, env, "celery")
        stack.callback(first.kill)
        task_id = visitor.start()
        wait_for(lambda: visitor.status(task_id)["current"] > 0)

        first.stop()
        stack.enter_context(running(worker(tmp_path, env | {"LONG_TASK_STEPS": "2"}, "celery")))

        end = end_of(visitor, task_id)
        assert (end["phase"], end["attempt"]) == ("succeeded", 2)


def test_twenty_tasks_of_two_visitors_through_two_web_processes(system: System, tmp_path: Path):
    other, address = web(tmp_path, system.env)
    with running(other):
        visitors = [Visitor(system.address).connect(), Visitor(address).connect()]
        for visitor in visitors:
            visitor.call("watch_mine", {})

        with ThreadPoolExecutor() as pool:
            started = list(pool.map(lambda v: [v.start() for _ in range(10)], visitors))

        for visitor, task_ids in zip(visitors, started, strict=True):
            for task_id in task_ids:
                assert visitor.wait_for_end(task_id, 60) == visitor.status(task_id)
                versions = [s["version"] for s in visitor.pushed(task_id)]
                assert versions == sorted(set(versions))
                running_ = [
                    s["current"] for s in visitor.pushed(task_id) if s["phase"] == "running"
                ]
                assert running_ == sorted(running_)
            assert {s["task_id"] for s in visitor.snapshots} == set(task_ids)
            visitor.close()


@pytest.mark.parametrize("mode", ["eventlet", "gevent", "threading"])
def test_the_flow_is_the_same_in_each_async_mode(env: dict[str, str], tmp_path: Path, mode: str):
    env |= {"SOCKETIO_ASYNC_MODE": mode}
    with ExitStack() as stack:
        stack.enter_context(running(worker(tmp_path, env, "celery")))
        process, address = web(tmp_path, env)
        stack.enter_context(running(process))
        visitor = Visitor(address).connect()
        visitor.call("watch_mine", {})

        end = visitor.wait_for_end(visitor.start())

        assert end["result"] == 42
        visitor.close()
        assert process.stop(seconds=10) == 0


def test_a_mailing_is_seen_answered_and_told_recipient_by_recipient(
    page: Page, system: System, tmp_path: Path
):
    people = tmp_path / "people.csv"
    people.write_text("Name,Email\nAda,ada@example.com\nBob,bob\nEve,eve@example.com\n")
    page.goto(f"{system.address}/start/send_mailing")
    page.get_by_label("Source").set_input_files(people)
    expect(page.get_by_role("checkbox", name="people.csv")).to_be_checked()
    page.get_by_label("Subject").fill("Hello {name}")
    page.get_by_label("Body").fill("Dear {name},\nuntil soon.")
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_role("heading", name="Mailing to people.csv: Hello {name}")).to_be_visible()
    asked = page.get_by_role("heading", name="Send this to 2 recipients? 1 row left out.")
    expect(asked).to_be_visible()
    expect(page.get_by_text("Dear Ada,")).to_be_visible()
    page.get_by_role("button", name="Send", exact=True).click()

    log = page.get_by_role("log", name="Log", exact=True)
    expect(log).to_contain_text("ada@example.com: sent. 250")
    expect(log).to_contain_text("eve@example.com: sent. 250")
    with page.expect_download() as download:
        page.get_by_role("link", name="outcomes.csv").click()
    rows = download.value.path().read_text().splitlines()
    assert [row.split(",")[2] for row in rows] == ["Outcome", "sent", "left out", "sent"]
    task_id = page.url.rpartition("/")[2]
    inbox = page.request.get(f"{system.address}/inbox.json?task_id={task_id}").json()["messages"]
    assert [mail["subject"] for mail in inbox] == ["Hello Eve", "Hello Ada"]

"""The development inbox over a real Maildir, filled by the server that fills it in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from flask import Flask
from flask.testing import FlaskClient
from flask_mail import Message
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from app.extensions import mail
from app.inbox import MAX_LISTED, MAX_MESSAGES, count
from app.messages import make_message
from tests.processes import free_port

TASK = "0d4c4b7e-2f0e-4a0b-9a3e-1c5d7f7b9a10"
KEYS = {"id", "task_id", "message_id", "from", "to", "subject", "at", "text", "html"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Maildir of no messages."""
    for part in ("new", "cur", "tmp"):
        (tmp_path / "inbox" / part).mkdir(parents=True)
    return tmp_path / "inbox"


def inbox_app(folder: Path | None, port: int = 1) -> Flask:
    """The application, with its inbox in a folder, or without one; its pages need no Redis here."""
    settings = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SOCKETIO_ASYNC_MODE": "threading",
        "SECRET_KEY": "a secret for the tests",
    }
    app = create_app(settings if folder is None else settings | {"DATA_DIR": str(folder.parent)})
    app.config.update(MAIL_INBOX=folder, MAIL_PORT=port, MAIL_TIMEOUT_SECONDS=5.0)
    mail.init_app(app)  # with this port
    return app


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    return inbox_app(folder).test_client()


def put(folder: Path, content: str | bytes, number: int = 1, second: int = 1_700_000_000) -> str:
    """Put a message into the Maildir as Python's own `mailbox` names it; returns its id."""
    name = f"{second}.M{number}P7Q{number}.host"
    (folder / "new" / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def listed(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"/inbox.json{query}")
    assert response.status_code == 200
    messages: list[dict[str, Any]] = response.get_json()["messages"]
    return messages


# From the mail server to the page


@pytest.fixture
def caught(tmp_path: Path) -> Iterator[Flask]:
    """An app whose mail server is the development inbox's."""
    folder = tmp_path / "caught"
    port = free_port()
    server = Controller(Mailbox(folder), hostname="127.0.0.1", port=port)
    server.start()
    yield inbox_app(folder, port)
    server.stop()


def test_a_sent_message_can_be_read(caught: Flask):
    with caught.app_context(), mail.connect() as connection:
        connection.send(
            make_message(TASK, "ada@example.com", "Grüße 🌍", "Guten Tag.\n.\nÄ " + "x" * 2000)
        )

    (message,) = listed(caught.test_client())
    assert message.keys() == KEYS
    assert message["task_id"] == TASK
    assert message["message_id"] == f"<{TASK}@example.com>"
    assert (message["from"], message["to"]) == ("flask@example.com", ["ada@example.com"])
    assert (message["subject"], message["html"]) == ("Grüße 🌍", None)
    assert message["text"] == "Guten Tag.\n.\nÄ " + "x" * 2000 + "\n"
    page = caught.test_client().get(f"/inbox/{message['id']}")
    assert page.status_code == 200
    assert "Grüße 🌍" in page.text
    assert "Guten Tag." in page.text


def test_messages_come_newest_first_with_both_their_forms(caught: Flask):
    with caught.app_context():
        for number in range(12):
            with mail.connect() as connection:
                connection.send(
                    Message(f"No. {number}", ["ada@example.com"], "plain", html=f"<b>{number}</b>")
                )

    messages = listed(caught.test_client())
    assert [message["subject"] for message in messages] == [
        f"No. {number}" for number in reversed(range(12))
    ]
    assert [message["html"] for message in messages][:2] == ["<b>11</b>", "<b>10</b>"]
    assert {message["text"] for message in messages} == {"plain"}
    assert sorted((message["at"] for message in messages), reverse=True) == [
        message["at"] for message in messages
    ]


def test_html_is_framed_and_everything_else_is_text(caught: Flask):
    evil = "<img src=x onerror=alert(1)>{{ 7*7 }}"
    with caught.app_context(), mail.connect() as connection:
        connection.send(Message(evil, ["ada@example.com"], evil, html=evil))

    client = caught.test_client()
    (message,) = listed(client)
    pages = client.get("/inbox").text + client.get(f"/inbox/{message['id']}").text
    assert "<img src=x" not in pages
    assert "&lt;img src=x onerror=alert(1)&gt;{{ 7*7 }}" in pages
    assert 'sandbox=""' in pages


# What is in the Maildir


def test_an_inbox_that_no_message_has_reached_is_empty(tmp_path: Path):
    app = inbox_app(tmp_path / "not yet made")

    assert listed(app.test_client()) == []
    assert app.test_client().get("/inbox").status_code == 200
    with app.app_context():
        assert count() == 0


def test_time_order_is_by_number_not_by_spelling(folder: Path, client: FlaskClient):
    early = put(folder, "Subject: early\n\n", number=999)
    late = put(folder, "Subject: late\n\n", number=1000)
    later = put(folder, "Subject: later\n\n", second=1_700_000_001)

    messages = listed(client)

    assert [message["id"] for message in messages] == [later, late, early]
    assert [message["at"] for message in messages][::2] == [
        "2023-11-14T22:13:21.000Z",
        "2023-11-14T22:13:20.000Z",
    ]


def test_one_tasks_messages_are_found_also_behind_many_others(folder: Path, client: FlaskClient):
    put(folder, f"Message-ID: <{TASK}@example.com>\nSubject: mine\n\n", number=0)
    for number in range(1, MAX_LISTED + 2):
        put(folder, f"Message-ID: <other-{number}@example.com>\n\n", number)

    assert [message["subject"] for message in listed(client, f"?task_id={TASK}")] == ["mine"]
    assert listed(client, "?task_id=unknown") == []
    assert len(listed(client)) == MAX_LISTED
    assert "mine" in client.get(f"/inbox?task_id={TASK}").text
    assert "mine" not in client.get("/inbox").text


def test_old_messages_go_when_there_are_too_many(folder: Path, client: FlaskClient):
    ids = [put(folder, f"Subject: {number}\n\n", number) for number in range(MAX_MESSAGES + 5)]

    with client.application.app_context():
        assert count() == MAX_MESSAGES

    assert {path.name for path in (folder / "new").iterdir()} == set(ids[5:])
    assert client.get(f"/inbox/{ids[4]}").status_code == 404
    assert client.get(f"/inbox/{ids[5]}").status_code == 200


def test_a_message_keeps_its_id_when_a_mail_program_has_read_it(folder: Path, client: FlaskClient):
    message_id = put(folder, "Subject: seen\n\n")
    os.rename(folder / "new" / message_id, folder / "cur" / f"{message_id}:2,S")

    assert [message["id"] for message in listed(client)] == [message_id]
    assert client.get(f"/inbox/{message_id}").status_code == 200


def test_only_messages_of_the_maildir_are_served(folder: Path, client: FlaskClient):
    (folder / "secret_key").write_text("a secret")
    (folder.parent / "outside").write_text("a secret")
    (folder / "new" / ".hidden").write_text("a secret")
    (folder / "tmp" / "1700000000.M1P7Q1.host").write_text("half a message")

    assert listed(client) == []
    for name in (
        "../secret_key",
        "..%2fsecret_key",
        "%2e%2e%2f..%2foutside",
        ".hidden",
        "1700000000.M1P7Q1.host",
        "%00",
    ):
        assert client.get(f"/inbox/{name}").status_code == 404


def test_with_a_real_mail_server_there_is_no_inbox():
    client = inbox_app(None).test_client()

    for address in ("/inbox", "/inbox.json", "/inbox/1700000000.M1P7Q1.host"):
        assert client.get(address).status_code == 404


# Messages as they come


def test_recipients_are_the_envelopes_not_what_the_message_says(folder: Path, client: FlaskClient):
    put(
        folder,
        "To: shown@example.com\nX-RcptTo: forged@example.com\n"
        "X-MailFrom: flask@example.com\nX-RcptTo: ada@example.com, bob@example.com\n\n",
    )

    (message,) = listed(client)

    assert message["to"] == ["ada@example.com", "bob@example.com"]
    assert message["from"] == "flask@example.com"


def test_recipients_of_a_message_from_elsewhere_are_those_it_names(
    folder: Path, client: FlaskClient
):
    put(folder, "To: Ada <ada@example.com>,\n bob@example.com\n\n")

    assert listed(client)[0]["to"] == ["ada@example.com", "bob@example.com"]


@pytest.mark.parametrize(
    ("content", "key", "value"),
    [
        (
            b"Subject: =?iso-8859-1?q?Gr=FC=DFe?= und\n =?utf-8?b?4pyT?=\n\n",
            "subject",
            "Grüße und ✓",
        ),
        (b"Subject: =?no-such-charset?q?abc?=\n\n", "subject", "=?no-such-charset?q?abc?="),
        (b"Subject: =?utf-8?b?a?=\n\n", "subject", "=?utf-8?b?a?="),
        (b"Subject: raw \xfc bytes\n\n", "subject", "raw � bytes"),
        (b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe", "text", "Grüße"),
        (b"Content-Type: text/plain; charset=no-such\n\nGr\xc3\xbc\xc3\x9fe", "text", "Grüße"),
        (b"Content-Type: text/plain; charset=idna\n\n\xff", "text", "�"),
        (b"Content-Type: text/plain; charset=hex\n\nab", "text", "ab"),
        (b"Content-Type: text/plain; charset=utf-7\n\n+2AA-!", "text", "?!"),
        (b"Content-Transfer-Encoding: base64\n\nR3LDvMOfZQ==", "text", "Grüße"),
        (b"Content-Transfer-Encoding: base64\n\na", "text", "a"),
        (b"Content-Type: text/html\n\n<b>only</b>", "html", "<b>only</b>"),
        (b"Content-Type: text/html\n\n<b>only</b>", "text", ""),
        (b"Content-Type: application/pdf\n\n%PDF", "text", ""),
        (b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\ncut off", "text", "cut off"),
        (b"Content-Type: multipart/mixed\n\nno boundary", "text", ""),
        (b"Content-Disposition: attachment\n\nattached", "text", ""),
        (b"", "subject", ""),
        (b"no headers at all", "to", []),
        (b"Message-ID: <no task@example.com>\n\n", "task_id", None),
        (b"Message-ID: junk\n\n", "task_id", None),
    ],
)
def test_a_message_is_shown_as_well_as_it_can_be(
    folder: Path, client: FlaskClient, content: bytes, key: str, value: object
):
    message_id = put(folder, content)

    (message,) = listed(client)

    assert message[key] == value
    assert client.get("/inbox").status_code == 200
    assert client.get(f"/inbox/{message_id}").status_code == 200


HEADERS = st.sampled_from(
    [
        b"Subject: ",
        b"From: ",
        b"To: ",
        b"X-RcptTo: ",
        b"Message-ID: ",
        b"Content-Type: text/plain; charset=",
        b"Content-Type: multipart/mixed; boundary=",
        b"Content-Transfer-Encoding: ",
        b"Content-Disposition: ",
        b"\n",
    ]
)
SCRAPS = st.sampled_from(
    [b"=?utf-8?q?=ff?=", b"=?x?b?=?=", b"a@b", b"<", b'"', b"base64", b"utf-16", b"\r\n", b"--"]
)


@given(
    st.lists(
        st.tuples(HEADERS, st.one_of(SCRAPS, st.binary(max_size=12)), st.just(b"\n")), max_size=8
    )
)
def test_any_bytes_are_shown_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bytes, ...]]
):
    folder = tmp_path_factory.mktemp("inbox")
    (folder / "new").mkdir()
    message_id = put(folder, b"".join(map(b"".join, pieces)))
    client = inbox_app(folder).test_client()

    (message,) = listed(client)

    assert message.keys() == KEYS
    assert client.get(f"/inbox/{message_id}").status_code == 200

"""The import of contacts: what is recognised, rejected and stored, and on from its last batch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient

from app.contacts import Contact, Contacts, open_contacts
from app.tasks.contacts import BATCH
from headway.state import state_of

HEAD = "Full name;E-Mail;City\n"


@pytest.fixture
def headway_celery_app(app: Flask) -> Celery:
    return state_of(app).celery


@pytest.fixture(autouse=True)
def imports(app: Flask, headway_eager: Any) -> Any:
    """Run what is started in this process."""
    return headway_eager


def start(client: FlaskClient, text: str | bytes) -> str:
    """Upload a file, start its import and return the task's id."""
    answer = asked_to_start(client, text)
    assert answer.status_code == 202, answer.text
    return str(answer.json["task_id"])


def asked_to_start(client: FlaskClient, text: str | bytes) -> Any:
    """Upload a file, ask for its import and return the answer."""
    data = text if isinstance(text, bytes) else text.encode()
    upload = client.post("/uploads", data={"file": (io.BytesIO(data), "people.csv")})
    args = {"source": upload.json["upload_id"]}
    return client.post("/tasks", json={"name": "import_contacts", "args": args})


def stored(app: Flask, client: FlaskClient) -> list[Contact]:
    with client.session_transaction() as session:
        owner = session["visitor"]
    path: Path = app.config["DATA_DIR"] / "contacts.sqlite3"
    with open_contacts(path, owner, "test") as contacts:
        return contacts.all()


def rejected(client: FlaskClient, task_id: str) -> list[str]:
    return client.get(f"/tasks/{task_id}/files/rejected.csv", buffered=True).text.splitlines()


def test_rows_with_an_address_are_imported_and_the_others_given_out(
    app: Flask, client: FlaskClient, imports: Any
):
    rows = "Ada;ada@example.com;London\n\nBob;bob;=1+1\nEve;eve@example.com\nOnly\n"

    task_id = start(client, "\ufeff" + HEAD + rows)

    run = imports.run_of(task_id)
    run.assert_succeeded({"imported": 2, "known": 0, "rejected": 2})
    assert run.snapshot.title == "Import contacts from people.csv"
    assert run.snapshot.status == "2 imported, 2 rejected"
    assert stored(app, client) == [
        Contact("ada@example.com", "Ada"),
        Contact("eve@example.com", "Eve"),
    ]
    head, bob, only = rejected(client, task_id)
    assert head == "Line,Rejected because,Full name,E-Mail,City"
    assert bob.startswith("4,")
    assert bob.endswith("Bob,bob,'=1+1")
    assert only == "6,Enter an email address.,Only"
    run.assert_logged("4 rows; email is in the column 'E-Mail', name is in the column 'Full name'")
    run.assert_logged("Line 4: ")


def test_an_address_is_counted_as_imported_once(app: Flask, client: FlaskClient, imports: Any):
    rows = "Ada;ada@example.com;\nEve;eve@example.com;\nAda Lovelace;ada@example.com;\n"

    first, second = start(client, HEAD + rows), start(client, HEAD + rows)

    imports.run_of(first).assert_succeeded({"imported": 2, "known": 1, "rejected": 0})
    imports.run_of(second).assert_succeeded({"imported": 0, "known": 3, "rejected": 0})
    assert Contact("ada@example.com", "Ada Lovelace") in stored(app, client)


def test_a_batch_that_is_stored_twice_counts_once(tmp_path: Path):
    batch = [Contact("ada@example.com", "Ada"), Contact("eve@example.com", "Eve")]

    with open_contacts(tmp_path / "contacts.sqlite3", "owner", "task") as contacts:
        contacts.add(batch, [])
        contacts.add(batch, [])  # its worker died before it had saved

        assert contacts.count_added() == 2
        contacts.forget_task()
        assert contacts.count_added() == 0


def test_an_import_goes_on_after_its_last_batch(
    app: Flask, client: FlaskClient, imports: Any, monkeypatch: pytest.MonkeyPatch
):
    rows = [f"{n};{'no' if n % 10 == 0 else f'p{n}@example.com'};\n" for n in range(2 * BATCH + 7)]
    batches: list[int] = []
    add = Contacts.add

    def noted(self: Contacts, contacts: Any, others: Any) -> None:
        batches.append(len(contacts) + len(others))
        if len(batches) == 2:
            raise OSError("the disk is away")
        add(self, contacts, others)

    monkeypatch.setattr(Contacts, "add", noted)
    task_id = start(client, HEAD + "".join(rows))
    imports.run_of(task_id).assert_failed("OSError")

    again = client.post(f"/tasks/{task_id}/retry", json={"resume": True}).json["task_id"]

    imports.run_of(again).assert_succeeded({"imported": 906, "known": 0, "rejected": 101})
    assert batches == [BATCH, BATCH, BATCH, 7]
    assert len(stored(app, client)) == 906
    assert len(rejected(client, again)) == 1 + 101


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Name,City\nAda,London\n", "No column is named Email. There are: Name, City."),
        ("", "This file is empty: it has no line of headings."),
        ("\n\n", "This file is empty: it has no line of headings."),
        ("Email\nbj\xf6rn@example.com\n".encode("latin-1"), "This file is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n", "This file is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_list_of_contacts_is_refused_where_it_was_given(
    client: FlaskClient, text: str | bytes, why: str
):
    answer = asked_to_start(client, text)

    assert answer.status_code == 400
    assert answer.json["error"]["fields"]["source"].startswith(why)
    assert client.get("/tasks").json["tasks"] == []


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("bj\xf6rn@example.com\n".encode("latin-1"), "This file is not UTF-8 text"),
        (b'"a@example.com\n', "Line 20002 is not CSV: unexpected end of data."),
    ],
)
def test_what_is_wrong_far_below_fails_the_task_before_anything_is_stored(
    app: Flask, client: FlaskClient, imports: Any, end: bytes, why: str
):
    task_id = start(client, b"Email\n" + 20_000 * b"a@example.com\n" + end)

    imports.run_of(task_id).assert_failed("ValueError", why)
    assert stored(app, client) == []


def test_an_owner_has_contacts_of_its_own(app: Flask, client: FlaskClient):
    other = app.test_client()
    start(client, "email\nada@example.com\n")
    start(other, "email\tname\nada@example.com\tAda\n")
    start(other, "email,name\nada@example.com,Ada Lovelace\n")

    assert stored(app, client) == [Contact("ada@example.com", "")]
    assert stored(app, other) == [Contact("ada@example.com", "Ada Lovelace")]

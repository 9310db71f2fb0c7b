"""Uploads as arguments of tasks: checked for their owner, kept as long as the task, and opened."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway import Upload, UploadExpired, task
from headway.arguments.typed import holds_upload, uploads_in
from headway.celery.worker.file_cleaner import GRACE_SECONDS, FileCleaner
from headway.cli.errors import Failure
from headway.cli.uploading import with_uploads
from headway.exceptions import HeadwayError
from headway.files.uploading import GONE
from headway.registry import TASK_TYPES
from headway.snapshot import Phase
from headway.state import state_of
from headway.store.records import Records
from tests.bodies import run_task
from tests.by_hand import claim
from tests.kept_files import Place, only, owners

CSV = b"name\nada\n"
UNKNOWN = "0" * 32


@dataclass
class Mailing:
    people: Upload
    photo: Upload | None = None


@pytest.fixture(scope="module", autouse=True)
def kinds() -> None:
    @task("Import {source}")
    def import_people(source: Upload, limit: int = 10) -> dict[str, Any]:
        with source.open("r", newline="") as file:
            text = file.read()
        return {"name": source.name, "size": source.size, "type": source.type, "text": text}

    @task("Mail")
    def mail_people(mailing: Mailing, more: list[Upload] = []) -> list[str]:  # noqa: B006 - unused
        return [str(one) for one in (mailing.people, *more)]


@pytest.fixture
def env(env: dict[str, str], kept: Place) -> dict[str, str]:
    return env | {"FILES": kept.at}


def uploaded(client: FlaskClient, data: bytes = CSV, name: str = "people.csv") -> str:
    answer = client.post("/uploads", data={"file": (io.BytesIO(data), name)})
    assert answer.status_code == 201, answer.text
    return str(answer.json["upload_id"])


def start(client: FlaskClient, name: str = "import_people", **args: Any) -> Any:
    return client.post("/tasks", json={"name": name, "args": args})


def run(app: Flask, task_id: str, records: Records) -> Any:
    """Run a task's body in this process, with the arguments that it was started with."""
    message, _ = records.outbox.message(task_id)
    own = state_of(app).celery.tasks[message["task"]]
    results: list[Any] = []
    body = own.run

    def noted() -> None:
        results.append(body(*message["args"], **message["kwargs"]))

    own.run = noted
    try:
        run_task(own, task_id)
    finally:
        own.run = body
    return results[0]


def test_a_task_opens_the_file_that_it_was_given(app: Flask, client: FlaskClient, records: Records):
    started = start(client, source=uploaded(client), limit=3)

    assert started.json["title"] == "Import people.csv"
    assert run(app, started.json["task_id"], records) == {
        "name": "people.csv",
        "size": len(CSV),
        "type": "text/csv",
        "text": CSV.decode(),
    }


def test_files_may_lie_in_records_and_lists(app: Flask, client: FlaskClient, records: Records):
    first, second = uploaded(client), uploaded(client, name="b.csv")
    mailing = {"people": first, "photo": None}

    started = start(client, "mail_people", mailing=mailing, more=[second])

    assert run(app, started.json["task_id"], records) == ["people.csv", "b.csv"]
    wrong = start(client, "mail_people", mailing={"people": UNKNOWN}, more=[second, UNKNOWN])
    assert wrong.json["error"]["fields"] == {"mailing.people": GONE, "more.1": GONE}


def test_an_upload_that_is_not_yours_is_as_one_that_is_not(
    app: Flask, client: FlaskClient, records: Records
):
    foreign = uploaded(app.test_client())
    expired = uploaded(client)
    records.client.delete(records.keys.upload(expired))

    answers = [start(client, source=one) for one in (foreign, expired, UNKNOWN)]

    assert [one.status_code for one in answers] == [422] * 3
    assert len({one.text for one in answers}) == 1
    error = answers[0].json["error"]
    assert error == {"code": "no_such_upload", "message": GONE, "fields": {"source": GONE}}
    malformed = start(client, source="../etc/passwd")
    assert malformed.status_code == 400
    assert malformed.json["error"]["fields"] == {"source": "Must be the id of an upload."}
    assert records.client.llen("celery") == 0


def test_an_upload_is_kept_as_long_as_a_task_that_uses_it(
    app: Flask, client: FlaskClient, records: Records
):
    upload_id = uploaded(client)
    key = records.keys.upload(upload_id)
    later = {"name": "import_people", "args": {"source": upload_id}, "countdown": 20 * 86400}

    task_id = client.post("/tasks", json=later).json["task_id"]

    assert records.client.pttl(key) >= records.client.pttl(records.keys.record(task_id)) - 1000
    records.client.pexpire(key, 5000)  # as if the task had been open for long
    FileCleaner(state_of(app).celery.backend).clean()
    assert records.client.ttl(key) > 20 * 86400
    records.cancel(task_id)
    FileCleaner(state_of(app).celery.backend).clean()
    assert records.client.ttl(key) <= records.client.ttl(records.keys.record(task_id)) + 1


def test_a_file_goes_with_its_upload(
    app: Flask, client: FlaskClient, records: Records, kept: Place, monkeypatch: Any
):
    gone, used = uploaded(client), uploaded(client)
    records.client.delete(records.keys.upload(gone))
    cleaner = FileCleaner(state_of(app).celery.backend)
    assert owners(kept, "uploads") == {gone, used}
    now = time.time()

    monkeypatch.setattr("time.time", lambda: now + GRACE_SECONDS + 1)
    cleaner.clean()

    assert owners(kept, "uploads") == {used}


def test_forgetting_the_last_task_of_an_upload_deletes_it(
    client: FlaskClient, records: Records, kept: Place
):
    upload_id = uploaded(client)
    tasks = [start(client, source=upload_id).json["task_id"] for _ in range(2)]
    for task_id in tasks:
        records.cancel(task_id)

    client.post(f"/tasks/{tasks[0]}/forget")
    assert owners(kept, "uploads") == {upload_id}
    client.post(f"/tasks/{tasks[1]}/forget")

    assert owners(kept, "uploads") == set()
    assert records.uploads.read([upload_id]) == [None]


def test_a_rerun_has_the_same_upload_or_says_that_it_has_expired(
    client: FlaskClient, records: Records
):
    upload_id = uploaded(client)
    task_id = start(client, source=upload_id).json["task_id"]
    records.cancel(task_id)

    again = client.post(f"/tasks/{task_id}/retry")
    records.client.delete(records.keys.upload(upload_id))
    gone = client.post(f"/tasks/{task_id}/retry")
    several = client.post("/tasks/batch", json={"action": "retry", "task_ids": [task_id]})
    page = client.post(
        f"/tasks/{task_id}", data={"action": "again"}, headers={"Accept": "text/html"}
    )

    assert again.status_code == 202
    assert (gone.status_code, gone.json["error"]["fields"]) == (422, {"source": GONE})
    assert several.json["refused"][0]["code"] == "no_such_upload"
    assert page.status_code == 422
    assert "has expired" in page.text


@pytest.mark.parametrize("why", ["damaged", "headway_files", "has expired"])
def test_a_run_fails_before_its_work_where_the_file_is_not_there(
    app: Flask, client: FlaskClient, records: Records, kept: Place, why: str
):
    upload_id = uploaded(client)
    task_id = start(client, source=upload_id).json["task_id"]
    name, _ = only(kept)
    if why == "damaged":
        kept.write(name, b"cut")
    elif why == "headway_files":
        kept.delete(name)
    else:
        records.client.delete(records.keys.upload(upload_id))

    with pytest.raises(UploadExpired, match=why):
        run(app, task_id, records)


def test_what_project_code_sends_is_kept_from_its_run_on(
    app: Flask, client: FlaskClient, records: Records
):
    upload_id = uploaded(client)
    celery = state_of(app).celery
    sent = celery.tasks["import_people"].delay(Upload(upload_id))
    claim(records, sent.id)
    key = records.keys.upload(upload_id)
    assert records.client.ttl(key) <= 24 * 3600

    records.uploads.hold(upload_id, sent.id)

    assert records.client.ttl(key) > 6 * 24 * 3600
    assert records.uploads.of(sent.id) == [upload_id]


def test_the_terminal_uploads_what_it_names(app: Flask, records: Records, tmp_path: Path):
    system = state_of(app)
    kind = TASK_TYPES["import_people"]
    path = tmp_path / "people.csv"
    path.write_bytes(CSV)

    args = with_uploads(system, kind, {"source": f"@{path}", "limit": 3}, "ada")

    [kept] = records.uploads.read([args["source"]])
    assert kept is not None
    assert (kept.owner, kept.file.name, args["limit"]) == ("ada", "people.csv", 3)
    text = TASK_TYPES["mail_people"]
    assert with_uploads(system, text, {"mailing": "@x"}, "ada") == {"mailing": "@x"}
    with pytest.raises(Failure, match="cannot be uploaded"):
        with_uploads(system, kind, {"source": "@/no/such/file"}, "ada")
    system.celery.conf.headway_upload_max_bytes = 3
    with pytest.raises(Failure, match="may have 3 bytes"):
        with_uploads(system, kind, {"source": f"@{path}"}, "ada")


def test_damaged_records_of_uploads_are_none(client: FlaskClient, records: Records):
    upload_id = uploaded(client)
    key = records.keys.upload(upload_id)
    for junk in ("junk", "{}", '{"name":"../a"}'):
        records.client.hset(key, "about", junk)
        assert records.uploads.read([upload_id]) == [None]
    records.client.delete(key)
    records.client.set(key, "junk")

    assert start(client, source=upload_id).status_code == 422
    assert records.uploads.keep(upload_id) is None
    with client.session_transaction() as session:
        account = records.keys.uploaded(f"owner:{session['visitor']}")
    records.client.set(account, "junk")
    assert uploaded(client)


def test_an_upload_outside_of_a_task_is_an_id():
    upload = Upload(UNKNOWN, "a.csv")

    assert (str(upload), upload.__json__(), upload) == ("a.csv", UNKNOWN, Upload(UNKNOWN))
    with pytest.raises(HeadwayError, match="by the task"):
        upload.open()
    with pytest.raises(ValueError, match="mode"):
        upload.open("w")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("hint", "value", "found"),
    [
        (Upload, UNKNOWN, {"": UNKNOWN}),
        (Upload | None, None, {}),
        (list[Upload | None], [None, UNKNOWN], {"1": UNKNOWN}),
        (dict[str, Upload], {"a": UNKNOWN}, {"a": UNKNOWN}),
        (Mailing, {"people": UNKNOWN}, {"people": UNKNOWN}),
        (str | Upload, UNKNOWN, {}),
        (str, UNKNOWN, {}),
    ],
)
def test_uploads_are_found_by_the_annotations(hint: Any, value: Any, found: dict[str, str]):
    assert dict(uploads_in(value, hint)) == found
    assert holds_upload(hint) or not found
    assert holds_upload(Phase) is False

"""Files that a task gives out: stored privately, noted by the run that has the task, cleaned up."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from headway import progress
from headway.celery.worker.file_cleaner import GRACE_SECONDS, FileCleaner
from headway.exceptions import ConfigError
from headway.files.place import file_store
from headway.files.store import FileStore
from headway.files.types import is_file_name, media_type
from headway.push.checks import is_event, stamp_of
from headway.push.resync import Resync
from headway.snapshot import Phase
from headway.store.files import MAX_FILES
from headway.store.model import Delivery, Outcome, Source, StateWrite
from headway.store.records import Records
from tests import by_hand
from tests.bodies import live_celery, read, run
from tests.by_hand import HERE
from tests.kept_files import IN_A_FOLDER, Place, only
from tests.streamed import events

MESSAGE: Any = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
KEY = "0" * 32


@pytest.fixture
def celery(redis_url: str, kept: Place) -> Celery:
    app = live_celery(redis_url)
    app.conf.headway_files = kept.at
    app.conf.headway_file_max_bytes = 1000
    return app


@pytest.fixture
def store(celery: Celery, records: Records) -> FileStore:
    found = file_store(celery.conf, records)
    assert found is not None
    return found


@pytest.fixture
def task_id(records: Records) -> str:
    """A claimed task; the test writes in the place of its run."""
    return by_hand.claimed(records, MESSAGE)


def note(records: Records, task_id: str, name: str, key: str = KEY, **options: Any) -> Any:
    delivery = options.get("delivery", HERE)
    return records.files.note(task_id, delivery, name, 3, "text/plain", key)


def texts(records: Records, store: FileStore, task_id: str) -> dict[str, bytes]:
    """Return what a task has given out, by name."""
    found = {}
    for file in records.files.of(task_id):
        opened = store.open(task_id, file.key)
        assert opened is not None
        with opened:
            found[file.name] = opened.read()
    return found


def test_a_task_gives_out_paths_bytes_and_files(
    celery: Celery, records: Records, store: FileStore, tmp_path: Path
):
    path = tmp_path / "report"
    path.write_bytes(b"a,b\n")

    def body() -> None:
        progress.file("report.csv", path)
        progress.file("again.csv", str(path))
        progress.file("März 🙂.txt", "grüße".encode())
        progress.file("data", io.BytesIO(b"\0" * 900))

    task_id = run(celery, body)

    assert texts(records, store, task_id) == {
        "report.csv": b"a,b\n",
        "again.csv": b"a,b\n",
        "März 🙂.txt": "grüße".encode(),
        "data": b"\0" * 900,
    }
    noted = {file.name: (file.size, file.type) for file in records.files.of(task_id)}
    assert noted == {
        "report.csv": (4, "text/csv"),
        "again.csv": (4, "text/csv"),
        "März 🙂.txt": (7, "text/plain"),
        "data": (900, "application/octet-stream"),
    }


@IN_A_FOLDER
def test_files_are_for_the_user_of_the_process_alone(celery: Celery, kept: Place, tmp_path: Path):
    def body() -> None:
        progress.file("report.csv", b"a")

    run(celery, body)

    assert only(kept, "tasks")[1] == b"a"
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "files").rglob("*")}
    assert modes == {0o600, 0o700}
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700


def test_a_file_replaces_that_of_its_name(
    celery: Celery, records: Records, store: FileStore, kept: Place
):
    def body() -> None:
        progress.file("report.csv", b"first")
        progress.file("report.csv", b"second")

    task_id = run(celery, body)

    assert texts(records, store, task_id) == {"report.csv": b"second"}
    assert len(kept.files()) == 1


@pytest.mark.parametrize(
    "source",
    [
        lambda: b"x" * 1001,
        lambda: io.BytesIO(b"x" * 1001),
        lambda: io.StringIO("text"),
        lambda: 7,
        lambda: "/no/such/file",
    ],
)
def test_what_cannot_be_given_out_raises_and_leaves_nothing(
    celery: Celery, records: Records, kept: Place, source: Any
):
    raised: list[Exception] = []

    def body() -> None:
        try:
            progress.file("report.csv", source())
        except (ValueError, TypeError, OSError) as error:
            raised.append(error)

    task_id = run(celery, body)

    assert len(raised) == 1
    assert records.files.of(task_id) == []
    assert kept.files() == {}


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/b", "a\\b", "../a", " a", "a ", "a\n", "a\rb", "a\0", 7),
        *("\u202egpj.exe", "\ud800", "ä" * 101, "\u2028"),
    ],
)
def test_no_name_is_a_path_or_hides_what_it_is(name: Any):
    assert not is_file_name(name)
    with pytest.raises(ValueError, match="is no name of a file"):
        progress.file(name, b"")


@pytest.mark.parametrize(
    ("name", "head", "found"),
    [
        ("a.png", b"<html>", "text/plain"),
        ("a.html", b"<script>alert(1)</script>", "text/plain"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'>", "text/plain"),
        ("a.txt", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a", b"RIFF1234WEBP", "image/webp"),
        ("A.JSON", b"{}", "application/json"),
        ("a.csv", b"\xff\xfe", "application/octet-stream"),
        ("a.txt", "ü".encode()[:1], "text/plain"),  # a character that is cut
    ],
)
def test_a_type_is_that_of_what_a_file_holds(name: str, head: bytes, found: str):
    assert media_type(name, head) == found


def test_outside_of_a_task_nothing_is_kept(tmp_path: Path):
    progress.file("report.csv", tmp_path / "no such file")


def test_without_a_folder_a_task_is_told_which_setting_it_needs(celery: Celery):
    celery.conf.headway_files = None

    def body() -> None:
        with pytest.raises(ConfigError, match="headway_files"):
            progress.file("report.csv", b"")

    run(celery, body)


def test_a_new_attempt_keeps_what_it_does_not_replace(records: Records, task_id: str):
    assert note(records, task_id, "a", "1" * 32) == (Outcome.WRITTEN, None)
    assert note(records, task_id, "b", "2" * 32) == (Outcome.WRITTEN, None)
    records.maintenance.release([(task_id, HERE.token)])
    again = Delivery("again", 0)
    records.runs.claim(task_id, again, "run 2", message=MESSAGE, max_attempts=4, hostname="test")

    late = note(records, task_id, "a", "3" * 32)
    outcome, former = note(records, task_id, "a", "4" * 32, delivery=again)

    assert late == (Outcome.SUPERSEDED, None)
    assert outcome == Outcome.WRITTEN
    assert former is not None
    assert former.key == "1" * 32
    keys = {file.name: file.key for file in records.files.of(task_id)}
    assert keys == {"a": "4" * 32, "b": "2" * 32}


def test_a_cancelled_run_gives_out_nothing(celery: Celery, records: Records, kept: Place):
    def body(task: Any) -> None:
        records.cancel(task.request.id)
        progress.file("report.csv", b"late")

    with pytest.raises(Exception, match="cancelling"):
        run(celery, body, bind=True)
    assert kept.files() == {}


def test_a_task_has_so_many_files_at_most(records: Records, task_id: str):
    for number in range(MAX_FILES):
        assert note(records, task_id, str(number))[0] == Outcome.WRITTEN

    assert note(records, task_id, "one more") == (Outcome.FULL, None)
    assert note(records, task_id, "7")[0] == Outcome.WRITTEN
    assert len(records.files.of(task_id)) == MAX_FILES


def test_a_note_that_redis_takes_late_makes_no_file_smaller(records: Records, task_id: str):
    """Redis may execute a note after its client has given that up, and noted more."""
    for size in (10, 30, 20):
        records.files.note(task_id, HERE, "log.txt", size, "text/plain", KEY)
    [file] = records.files.of(task_id)
    assert file.size == 30

    assert note(records, task_id, "log.txt", "1" * 32)[0] == Outcome.WRITTEN
    [file] = records.files.of(task_id)
    assert (file.size, file.key) == (3, "1" * 32)


def test_a_lost_record_is_made_again(celery: Celery, records: Records):
    def body(task: Any) -> None:
        records.forget(task.request.id)
        progress.file("report.csv", b"a")

    task_id = run(celery, body, bind=True)

    assert [file.name for file in records.files.of(task_id)] == ["report.csv"]


def test_viewers_are_told_of_a_file(records: Records, task_id: str):
    before = read(records, task_id).version
    with events(records, "files") as seen:
        note(records, task_id, "a")
        told = seen()

    assert told == [{"task_id": task_id}]
    assert read(records, task_id).version > before  # for those who poll


def test_viewers_who_may_have_missed_a_file_are_told(records: Records, task_id: str):
    delivered: list[bytes] = []
    manager = SimpleNamespace(
        records=records,
        confirm=lambda names: None,
        deliver=lambda room, event: delivered.append(event),
    )

    Resync(manager)._read_again([f"task:{task_id}"])

    hint = f'["files",{{"task_id":"{task_id}"}}]'.encode()
    assert delivered.count(hint) == 1
    assert is_event(f"task:{task_id}", hint, stamp_of(hint))


def test_after_its_end_a_task_gives_out_nothing_more(records: Records, task_id: str):
    note(records, task_id, "a")
    by_hand.write(records, task_id, 1, Phase.SUCCEEDED)

    assert note(records, task_id, "b") == (Outcome.FINAL, None)
    assert [file.name for file in records.files.of(task_id)] == ["a"]


def test_a_task_that_starts_over_has_no_files_of_the_last_time(records: Records):
    task_id = str(uuid4())
    for send in ("one", "two"):
        about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "test"}
        source = Source(send)
        claimed = records.runs.claim(task_id, Delivery(send), send, source=source, **about)
        assert claimed == "claimed"
        assert records.files.of(task_id) == []
        note(records, task_id, "a", delivery=Delivery(send))
        end = StateWrite(task_id, Delivery(send), Phase.SUCCEEDED, {}, "{}", "t", 4)
        records.runs.write(end)


@IN_A_FOLDER
def test_no_link_is_followed_and_nothing_but_a_file_is_read(
    store: FileStore, kept: Place, tmp_path: Path
):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    task_id = str(uuid4())
    there = store.store(task_id, [b"a"], 10)
    path = Path(kept.at, only(kept, "tasks")[0])
    link, pipe = path.with_name("1" * 32), path.with_name("2" * 32)
    link.symlink_to(secret)
    os.mkfifo(pipe)

    opened = [store.open(task_id, key) for key in (link.name, pipe.name, "3" * 32)]

    assert opened == [None, None, None]
    with store.open(task_id, there.key) or io.BytesIO() as file:
        assert file.read() == b"a"
    for task, key in (("..", KEY), (task_id, "../secret"), ("a/b", KEY), (task_id, "..")):
        with pytest.raises(ValueError, match="can have no files"):
            store.open(task, key)


@IN_A_FOLDER
def test_maintenance_deletes_what_no_record_names(
    celery: Celery, records: Records, store: FileStore, task_id: str, kept: Place
):
    named, replaced, fresh = (store.store(task_id, [b"a"], 10).key for _ in range(3))
    expired = store.store(str(uuid4()), [b"a"], 10).key
    note(records, task_id, "a", named)
    foreign = Path(kept.at, next(iter(kept.files()))).with_name("not ours")
    foreign.write_text("")
    for path in Path(kept.at).rglob("*"):
        if path.name != fresh:
            os.utime(path, (0, 0))

    FileCleaner(celery.backend).clean()

    names = {name.rpartition("/")[2] for name in kept.files()}
    assert names - {"not ours"} == {named, fresh}
    assert foreign.exists()
    assert replaced not in names
    assert expired not in names
    assert GRACE_SECONDS > 0


@IN_A_FOLDER
def test_what_cannot_be_deleted_keeps_nothing_else(
    celery: Celery,
    records: Records,
    store: FileStore,
    kept: Place,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    expired = [str(uuid4()) for _ in range(5)]
    for each in expired:
        store.store(each, [b"a"], 10)
    for path in Path(kept.at).rglob("*"):
        os.utime(path, (0, 0))
    listed = Path.iterdir

    def list_some(folder: Path) -> Iterator[Path]:
        if folder.name == expired[2]:  # as one that another user has made
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", list_some)

    FileCleaner(celery.backend).clean()

    assert len(kept.files()) == 1
    assert f"Files of {expired[2]} are not deleted" in caplog.text


def test_a_sweep_that_fails_keeps_no_other_store_from_its_own(
    celery: Celery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    swept = []

    class Store:
        def __init__(self, name: str) -> None:
            self.name = name

        def sweep(self, *_: object) -> Iterator[None]:
            swept.append(self.name)
            yield
            raise OSError(f"{self.name} is away")

    cleaner = FileCleaner(celery.backend)
    cleaner._stores = [(Store(name), set) for name in ("tasks", "uploads")]

    cleaner.clean()

    assert swept == ["tasks", "uploads"]
    assert "tasks is away" in caplog.text


def test_what_lies_damaged_is_not_shown(records: Records, task_id: str):
    note(records, task_id, "a")
    key = records.keys.record(task_id)
    for junk in ("[]", "{", '{"a": 1}', '{"a": "{}"}', '"a"', "7", "null"):
        records.client.hset(key, "files", junk)
        assert records.files.of(task_id) == []
        assert note(records, task_id, "b")[0] == Outcome.WRITTEN
        assert "b" in {file.name for file in records.files.of(task_id)}

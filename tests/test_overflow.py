"""A stream that overflows to a file: all of its text is there, to the byte, whatever was killed."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from headway import masking, progress
from headway.celery.run import streams
from headway.celery.run.overflow import END, GAP, Overflow
from headway.celery.run.runs import Run
from headway.exceptions import ConfigError
from headway.files.folder import FileFolder
from headway.files.place import file_store
from headway.store.files import MAX_FILES
from headway.store.records import Records
from tests.by_hand import shown
from tests.kept_files import IN_A_FOLDER, Place
from tests.test_checkpoints import Killed, Runs, runs

__all__ = ["runs"]

MARK = "\n[This stream ends here: its limit is 20 bytes. The whole text is the file answer.txt.]\n"
NOT_KEPT = (
    "\n[This stream ends here: its limit is 20 bytes. The rest was not kept: "
    "the file answer.txt could not be written.]\n"
)
PARTIAL = "[Some of the rest was not kept: the file answer.txt could not be written.]\n"


def refuse(*args: Any, **options: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def a_file_in_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("no folder")


def no_rights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileFolder, "begin", refuse)


class FullDisk:
    """A file on a disk with little room: it takes a part of a text, then no more."""

    def __init__(self, file: Any, room: int) -> None:
        self._file = file
        self._room = room

    def write(self, data: memoryview) -> int:
        if data and not self._room:
            refuse()
        taken = self._file.write(data[: self._room])
        self._room -= taken
        return int(taken)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def with_room(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Have each file that is begun from now on take so many bytes."""
    begin = FileFolder.begin

    def scarce(self: FileFolder, task_id: str) -> Any:
        file: Any = begin(self, task_id)
        file._file = FullDisk(file._file, room)
        return file

    monkeypatch.setattr(FileFolder, "begin", scarce)


def no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room(monkeypatch, 10)


def no_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", refuse)


@pytest.fixture(autouse=True)
def small_streams(runs: Runs, kept: Place) -> None:
    runs.celery.conf.headway_files = kept.at
    runs.celery.conf.headway_stream_max_bytes = 20


def stream_of(records: Records, task_id: str) -> str:
    return records.queries.read_streams(task_id, {})["answer"]["text"]


def files_of(records: Records, celery: Celery, task_id: str) -> dict[str, str]:
    """Return the texts of a task's files by name; the sizes that are noted are theirs."""
    found = {}
    for file in records.files.of(task_id):
        opened = file_store(celery.conf, records).open(task_id, file.key)
        with opened:
            found[file.name] = opened.read().decode()
        assert file.size == len(found[file.name].encode())
        assert file.type == "text/plain"
    return found


def test_the_whole_of_a_long_text_is_a_file(runs: Runs, records: Records, kept: Place):
    text = "0123456789 grüße 🙂 and more " * 3

    def body() -> None:
        with progress.stream("answer", overflow="file") as out:
            for character in text:
                out.write(character)
                progress.flush()

    runs(body)

    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": text}
    assert stream_of(records, runs.task_id) == f"0123456789 grüße {MARK}"
    snapshot = shown(records, runs.task_id)
    assert snapshot
    assert snapshot.streams["answer"]["file"] == "answer.txt"
    assert snapshot.streams["answer"]["closed"]
    assert snapshot.files == {
        "count": 1,
        "first": [{"name": "answer.txt", "size": len(text.encode())}],
    }


def test_a_short_text_leaves_no_file(runs: Runs, records: Records, kept: Place):
    def body() -> None:
        progress.stream("answer", overflow="file").write("x" * 20)

    runs(body)

    assert files_of(records, runs.celery, runs.task_id) == {}
    assert kept.files() == {}
    assert stream_of(records, runs.task_id) == "x" * 20


def test_a_file_that_was_not_saved_goes_with_its_attempt(runs: Runs, records: Records):
    killed: list[int] = []

    def body() -> None:
        out = progress.stream("answer", overflow="file")
        if not killed:
            killed.append(1)
            out.write("y" * 50)
            progress.flush()
            progress.flush()
            assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": "y" * 50}
            raise Killed
        assert records.files.of(runs.task_id) == []
        snapshot = shown(records, runs.task_id)
        assert snapshot
        assert snapshot.files is None
        assert "file" not in snapshot.streams["answer"]
        out.write("short")

    runs(body)
    runs(body)

    assert files_of(records, runs.celery, runs.task_id) == {}
    assert stream_of(records, runs.task_id) == "short"


@pytest.mark.parametrize("at", range(8))
def test_a_run_that_goes_on_has_all_of_it_once(runs: Runs, records: Records, kept: Place, at: int):
    killed: list[int] = []

    def body() -> None:
        out = progress.stream("answer", overflow="file")
        for page in progress.track(range(8), resume=True):
            out.write(f"Page {page}: ")
            if page == at and len(killed) < 2:
                killed.append(page)
                progress.flush()
                raise Killed
            out.write("done\n")
            progress.save(page)

    runs(body)
    runs(body)
    runs(body)

    text = "".join(f"Page {page}: done\n" for page in range(8))
    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": text}
    assert stream_of(records, runs.task_id) == text[:20] + MARK


@pytest.mark.parametrize("text", ["a" * 30, "a line\n" * 5], ids=["held back", "not held back"])
def test_a_run_that_goes_on_without_the_stream_leaves_what_was_saved(
    runs: Runs, records: Records, text: str
):
    seen: list[Any] = []

    def body() -> None:
        seen.append(progress.saved)
        if progress.saved is None:
            out = progress.stream("answer", overflow="file")
            out.write(text)
            progress.save(1)
            out.write("lost")
            progress.flush()
            raise Killed

    runs(body)
    runs(body)

    assert seen == [None, 1]
    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": text}


def test_a_stream_is_sent_no_sooner_than_it_has_its_file(
    runs: Runs, records: Records, monkeypatch: pytest.MonkeyPatch
):
    def body() -> None:
        out = progress.stream("answer", overflow="file")
        if progress.saved is None:
            out.write("a line\n" * 5)
            progress.save(1)
            out.write("lost")
            progress.flush()
            raise Killed

    def begun_between_flushes(run: Run, *about: Any) -> Overflow:
        """As the flusher's thread comes to a stream that is just being opened."""
        run.streams.flush()
        return Overflow(run, *about)

    runs(body)
    monkeypatch.setattr(streams, "Overflow", begun_between_flushes)
    runs(body)

    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": "a line\n" * 5}


def test_a_run_that_goes_on_without_the_stream_has_a_file_for_what_was_held_back(
    runs: Runs, records: Records
):
    text = "0123456789 123456 s3cret"

    def body() -> None:
        if progress.saved is None:
            progress.stream("answer", overflow="file").write(text)
            progress.save(1)
            assert stream_of(records, runs.task_id) == text.removesuffix("s3cret")
            raise Killed

    masking.set_secrets("test", ["s3cret-word"])
    try:
        runs(body)
        runs(body)
    finally:
        masking.set_secrets("test", [])

    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": text}
    assert stream_of(records, runs.task_id) == text[:20] + MARK


def test_a_file_that_is_gone_is_said_to_be(runs: Runs, records: Records, kept: Place):
    def body() -> None:
        out = progress.stream("answer", overflow="file")
        if progress.saved is None:
            out.write("a" * 30)
            progress.save(1)
            raise Killed
        out.write("more")

    runs(body)
    for name in kept.files():
        kept.delete(name)
    runs(body)

    [text] = files_of(records, runs.celery, runs.task_id).values()
    assert text.startswith("a" * 20 + MARK)
    assert text.endswith("more")
    assert GAP.split("{")[0] in text


def test_the_file_has_a_limit_too(runs: Runs, records: Records):
    runs.celery.conf.headway_file_max_bytes = 50

    def body() -> None:
        progress.stream("answer", overflow="file").write("ü" * 100)

    runs(body)

    [text] = files_of(records, runs.celery, runs.task_id).values()
    assert text == "ü" * 25 + END.format(50)


def test_secrets_are_masked_in_it(runs: Runs, records: Records):
    masking.set_secrets("test", ["s3cret-word"])

    def body() -> None:
        out = progress.stream("answer", overflow="file")
        for piece in ("a" * 30, " s3cr", "et-word", " end"):
            out.write(piece)
            progress.flush()

    try:
        runs(body)
    finally:
        masking.set_secrets("test", [])

    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": "a" * 30 + " *** end"}


def test_a_wrong_overflow_or_no_folder_is_refused(runs: Runs):
    with pytest.raises(ValueError, match="overflows to a file"):
        progress.stream("answer", overflow="disk")  # type: ignore[arg-type]
    runs.celery.conf.headway_files = None
    raised: list[Exception] = []

    def body() -> None:
        try:
            progress.stream("answer", overflow="file")
        except ConfigError as error:
            raised.append(error)

    runs(body)

    assert len(raised) == 1


def test_a_full_stream_gets_no_file_any_more(runs: Runs, records: Records):
    raised: list[str] = []

    def body() -> None:
        with progress.stream("answer") as out:
            out.write("a" * 30)
        progress.flush()
        try:
            progress.stream("answer", overflow="file")
        except ValueError as error:
            raised.append(str(error))
        progress.stream("answer").write("ignored, as before")

    runs(body)

    assert raised == ["The stream 'answer' is full: ask for its file before that."]
    assert files_of(records, runs.celery, runs.task_id) == {}


@IN_A_FOLDER
@pytest.mark.parametrize("breaks", [a_file_in_its_place, no_rights, no_room, no_sync])
def test_a_file_that_cannot_be_begun_is_said_to_be_missing(
    runs: Runs,
    records: Records,
    kept: Place,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[Path, pytest.MonkeyPatch], None],
):
    breaks(Path(kept.at), monkeypatch)

    def body() -> None:
        out = progress.stream("answer", overflow="file")
        for _ in range(5):
            out.write("0123456789")
            progress.flush()
            progress.save(1)

    runs(body)

    assert stream_of(records, runs.task_id) == "0123456789" * 2 + NOT_KEPT
    assert records.files.of(runs.task_id) == []
    snapshot = shown(records, runs.task_id)
    assert snapshot
    assert "file" not in snapshot.streams["answer"]
    assert snapshot.files is None
    assert kept.files() == {}


def test_a_file_too_many_is_said_to_be_missing(runs: Runs, records: Records):
    def body() -> None:
        for number in range(MAX_FILES):
            progress.file(f"{number}.txt", b"x")
        progress.stream("answer", overflow="file").write("0123456789" * 3)

    runs(body)

    assert stream_of(records, runs.task_id) == "0123456789" * 2 + NOT_KEPT
    assert len(records.files.of(runs.task_id)) == MAX_FILES


@IN_A_FOLDER
def test_a_disk_that_is_full_later_ends_the_file_and_is_told(
    runs: Runs, records: Records, monkeypatch: pytest.MonkeyPatch
):
    with_room(monkeypatch, 35)
    at_save: list[int] = []

    def body() -> None:
        out = progress.stream("answer", overflow="file")
        for number in range(6):
            out.write("0123456789")
            for _ in range(3):  # the file is begun, named, and noted
                progress.flush()
            if not at_save and number == 4:
                progress.save(1)
                at_save.append(1)
                raise Killed

    runs(body)

    [file] = records.files.of(runs.task_id)
    assert stream_of(records, runs.task_id) == "0123456789" * 2 + MARK + PARTIAL
    with file_store(runs.celery.conf, records).open(runs.task_id, file.key) as opened:
        assert opened.read() == b"0123456789" * 3 + b"01234"

    monkeypatch.undo()
    runs(body)

    [text] = files_of(records, runs.celery, runs.task_id).values()
    assert text.startswith("0123456789" * 3 + "01234" + GAP.partition("{")[0])
    assert text.endswith("0123456789" * 6)
    assert stream_of(records, runs.task_id) == "0123456789" * 2 + MARK + PARTIAL


@IN_A_FOLDER
def test_a_disk_that_is_full_within_the_last_text_is_told(
    runs: Runs, records: Records, monkeypatch: pytest.MonkeyPatch
):
    with_room(monkeypatch, 35)

    def body() -> None:
        out = progress.stream("answer", overflow="file")
        out.write("a" * 30)
        progress.save(1)
        out.write("b" * 10)

    runs(body)

    assert stream_of(records, runs.task_id) == "a" * 20 + MARK + PARTIAL


@IN_A_FOLDER
def test_a_run_that_cannot_take_over_the_file_leaves_what_was_saved(
    runs: Runs, records: Records, monkeypatch: pytest.MonkeyPatch
):
    def body() -> None:
        out = progress.stream("answer", overflow="file")
        out.write("a" * 30)
        if progress.saved is None:
            progress.save(1)
        else:
            progress.save(2)
        raise Killed

    runs(body)
    monkeypatch.setattr(FileFolder, "begin", refuse)
    runs(body)

    assert files_of(records, runs.celery, runs.task_id) == {"answer.txt": "a" * 30}
    assert stream_of(records, runs.task_id) == "a" * 20 + MARK + PARTIAL

    monkeypatch.undo()
    runs(body)

    [text] = files_of(records, runs.celery, runs.task_id).values()
    assert text == "a" * 60

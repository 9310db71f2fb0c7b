"""Files in a bucket: in parts and segments, read from anywhere, and nothing left over."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from headway.files.bucket import files as files_module
from headway.files.bucket.address import address_of
from headway.files.bucket.files import PARTS_GRACE_SECONDS, FileBucket
from headway.files.bucket.parts import MIN_PART_BYTES, part_bytes
from headway.files.store import Moved, TooLarge, size_of
from headway.store.records import Records
from tests.s3_server import PREFIX, Bucket

PART = MIN_PART_BYTES
DATA = random.Random(7).randbytes(2 * PART + 1_234_567)
SIZE = len(DATA)


def pieces(data: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def store_of(bucket: Bucket, records: Records, kind: Any = "tasks") -> FileBucket:
    return FileBucket(address_of(bucket.url), "", records.uploads.parts, kind)


@pytest.fixture
def store(bucket: Bucket, records: Records) -> FileBucket:
    return store_of(bucket, records)


@pytest.fixture
def uploads(bucket: Bucket, records: Records) -> FileBucket:
    return store_of(bucket, records, "uploads")


def begin(uploads: FileBucket, records: Records, size: int = SIZE) -> tuple[str, str]:
    """Begin an upload in pieces; return its id and its file's key."""
    upload_id = uuid4().hex
    key = uploads.create(upload_id)
    about: Any = {"name": "a.bin", "size": size, "type": "text/plain", "key": key}
    assert records.uploads.begin(upload_id, "ada", about, 60.0, {})
    return upload_id, key


def read(store: FileBucket, task_id: str, key: str) -> bytes:
    opened = store.open(task_id, key)
    assert opened is not None
    with opened:
        return opened.read()


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, SIZE])
def test_what_is_stored_is_one_object_and_read_whole(store: FileBucket, bucket: Bucket, size: int):
    task_id = str(uuid4())

    stored = store.store(task_id, pieces(DATA[:size]), SIZE)

    assert (stored.size, stored.head) == (size, DATA[:size][:4096])
    assert list(bucket.objects().values()) == [DATA[:size]]
    assert read(store, task_id, stored.key) == DATA[:size]
    assert bucket.open_parts() == []


def test_a_file_is_read_from_anywhere(store: FileBucket):
    task_id = str(uuid4())
    key = store.store(task_id, pieces(DATA), SIZE).key
    opened = store.open(task_id, key)
    assert opened is not None
    places = random.Random(3)

    assert size_of(opened) == SIZE
    for _ in range(20):
        at = places.randrange(SIZE)
        opened.seek(at)
        assert opened.read(100_000) == DATA[at : at + 100_000]
    opened.seek(-5, io.SEEK_END)
    assert opened.read() == DATA[-5:]


@pytest.mark.parametrize("size", [10, SIZE])
def test_what_breaks_off_leaves_nothing(store: FileBucket, bucket: Bucket, size: int):
    def broken() -> Iterator[bytes]:
        yield from pieces(DATA[:size])
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.store(str(uuid4()), broken(), SIZE)
    with pytest.raises(TooLarge):
        store.store(str(uuid4()), pieces(DATA[:size]), size - 1)

    assert bucket.objects() == {}
    assert bucket.open_parts() == []


@pytest.mark.parametrize("step", [1_000_000, PART, PART + 1, SIZE])
def test_an_upload_comes_in_pieces_of_any_size(
    uploads: FileBucket, records: Records, bucket: Bucket, step: int
):
    upload_id, key = begin(uploads, records)

    at = 0
    while at < SIZE:
        assert uploads.size(upload_id, key) == at
        at = uploads.append(upload_id, key, at, pieces(DATA[at : at + step]), SIZE)
    uploads.seal(upload_id, key)
    uploads.seal(upload_id, key)

    assert read(uploads, upload_id, key) == DATA
    assert list(bucket.objects().values()) == [DATA]
    assert bucket.open_parts() == []


def test_what_came_before_a_break_is_kept(uploads: FileBucket, records: Records):
    upload_id, key = begin(uploads, records)

    def broken() -> Iterator[bytes]:
        yield from pieces(DATA[: PART + 77])
        raise ConnectionError

    with pytest.raises(ConnectionError):
        uploads.append(upload_id, key, 0, broken(), SIZE)

    assert uploads.size(upload_id, key) == PART + 77
    uploads.append(upload_id, key, PART + 77, pieces(DATA[PART + 77 :]), SIZE)
    uploads.seal(upload_id, key)
    assert read(uploads, upload_id, key) == DATA


def test_more_than_was_announced_is_refused_and_the_rest_kept(
    uploads: FileBucket, records: Records
):
    upload_id, key = begin(uploads, records, 5)
    unread = iter([b"x"])

    with pytest.raises(TooLarge):
        uploads.append(upload_id, key, 0, [b"abc", b"def"], 5)
    with pytest.raises(Moved):
        uploads.append(upload_id, key, 0, unread, 5)

    assert list(unread) == [b"x"]
    assert uploads.size(upload_id, key) == 3


def test_of_two_that_add_at_the_same_time_one_is_told_that_it_came_late(
    uploads: FileBucket, records: Records, bucket: Bucket
):
    upload_id, key = begin(uploads, records)
    other = bytes(SIZE)

    def overtaken() -> Iterator[bytes]:
        yield other[: PART - 1]
        uploads.append(upload_id, key, 0, pieces(DATA[: PART + 9]), SIZE)
        yield other[: PART + 1]

    with pytest.raises(Moved):
        uploads.append(upload_id, key, 0, overtaken(), SIZE)

    assert uploads.size(upload_id, key) == PART + 9
    uploads.append(upload_id, key, PART + 9, pieces(DATA[PART + 9 :]), SIZE)
    uploads.seal(upload_id, key)
    assert list(bucket.objects().values()) == [DATA]
    assert bucket.open_parts() == []


def test_many_that_add_at_the_same_time_lose_and_double_nothing(
    uploads: FileBucket, records: Records, bucket: Bucket
):
    upload_id, key = begin(uploads, records)
    places = random.Random(11)
    late = []

    def client() -> None:
        while (at := uploads.size(upload_id, key)) is not None and at < SIZE:
            size = places.randrange(1, PART + PART // 2)
            try:
                uploads.append(upload_id, key, at, pieces(DATA[at : at + size]), SIZE)
            except Moved:
                late.append(at)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    uploads.seal(upload_id, key)

    assert late
    assert list(bucket.objects().values()) == [DATA]
    assert bucket.open_parts() == []


def test_a_note_whose_answer_was_lost_is_no_other_requests(records: Records):
    upload_id = uuid4().hex
    about: Any = {"name": "a.bin", "size": 5, "type": "text/plain", "key": "0" * 32}
    records.uploads.begin(upload_id, "ada", about, 60.0, {})
    parts = records.uploads.parts

    assert parts.replace(upload_id, "", "one")
    assert parts.replace(upload_id, "", "one")
    assert not parts.replace(upload_id, "", "two")
    assert parts.read(upload_id) == "one"
    records.uploads.drop(upload_id)
    assert not parts.replace(upload_id, "one", "two")
    assert parts.take_number(upload_id) == 0
    assert parts.read(upload_id) is None
    assert not records.client.exists(records.keys.upload(upload_id))


def test_a_number_of_a_part_is_never_used_twice(uploads: FileBucket, records: Records):
    upload_id, _ = begin(uploads, records)

    taken = [records.uploads.parts.take_number(upload_id) for _ in range(3)]

    assert taken == [1, 2, 3]


def test_what_is_deleted_while_it_comes_does_not_come_back(
    uploads: FileBucket, records: Records, bucket: Bucket
):
    upload_id, key = begin(uploads, records)

    def ended() -> Iterator[bytes]:
        yield DATA[:PART]
        records.uploads.drop(upload_id)
        uploads.delete_all(upload_id)
        yield DATA[PART : 2 * PART]

    with pytest.raises(FileNotFoundError):
        uploads.append(upload_id, key, 0, ended(), SIZE)

    assert uploads.size(upload_id, key) is None
    assert bucket.objects() == {}
    assert bucket.open_parts() == []


def test_a_large_file_has_parts_that_are_large_enough():
    assert part_bytes(1) == PART
    assert part_bytes(5 * 2**40) * 5000 >= 5 * 2**40


def test_a_file_that_grows_is_read_as_it_was_synced(store: FileBucket, bucket: Bucket):
    task_id = str(uuid4())
    text = DATA[:2_500_000]
    file = store.begin(task_id)

    for at in range(0, len(text), 300_000):
        file.write(text[at : at + 300_000])
        file.sync()
        file.sync()
        assert read(store, task_id, file.key) == text[: at + 300_000]
    file.write(b"lost")
    file.close()

    assert read(store, task_id, file.key) == text
    assert len(bucket.objects()) == 3
    store.delete_all(task_id)
    assert bucket.objects() == {}


def test_two_projects_share_a_bucket(bucket: Bucket, records: Records):
    task_id = str(uuid4())
    address = address_of(bucket.url)
    one, two = (FileBucket(address, prefix, records.uploads.parts) for prefix in ("a_", "b_"))
    key = one.store(task_id, [b"a"], 10).key

    assert two.open(task_id, key) is None
    two.delete_all(task_id)
    assert read(one, task_id, key) == b"a"


def test_no_id_leaves_its_place(store: FileBucket):
    for task_id, key in (("..", "0" * 32), ("a/b", "0" * 32), ("a", "../secret"), ("", "")):
        with pytest.raises(ValueError, match="can have no files"):
            store.open(task_id, key)
        with pytest.raises(ValueError, match="can have no files"):
            store.delete_all(f"{task_id}/{key}")


def test_the_sweep_deletes_what_no_record_names(
    store: FileBucket, uploads: FileBucket, records: Records, bucket: Bucket, monkeypatch: Any
):
    task_id, expired = str(uuid4()), str(uuid4())
    kept = store.store(task_id, [b"kept"], 10).key
    store.store(task_id, [b"replaced"], 10)
    store.store(expired, [b"expired"], 10)
    grown = store.begin(task_id)
    grown.write(b"grown")
    grown.sync()
    bucket.write(f"{PREFIX}{store._root}{task_id}/not-ours", b"foreign")
    coming, key = begin(uploads, records)
    uploads.append(coming, key, 0, [DATA[: PART + 3]], SIZE)
    gone, gone_key = begin(uploads, records)
    uploads.append(gone, gone_key, 0, [DATA[: PART + 4]], SIZE)
    records.uploads.drop(gone)
    bucket.write(f"{PREFIX}{uploads._root}{coming}/{key}.{'0' * 32}", b"lost tail")
    before = bucket.objects()

    named = {task_id: {kept, grown.key}, coming: {key}}

    def sweep() -> None:
        for one in (store, uploads):
            assert list(one.sweep(lambda owner: named.get(owner, set()), 60.0))

    sweep()
    assert bucket.objects() == before  # all of it is new

    later = time.time() + PARTS_GRACE_SECONDS + 60
    monkeypatch.setattr(files_module.time, "time", lambda: later)
    sweep()

    left = sorted(bucket.objects().values(), key=len)
    assert left == sorted([b"kept", b"grown", b"foreign", DATA[PART : PART + 3]], key=len)
    assert [name.split("/")[-2] for name in bucket.open_parts()] == [coming]


@pytest.mark.parametrize(
    "note", ["[]", "{}", "7", "[1]", '[1,"a",[1],""]', '[1,"a",[["x","y"]],""]', "{"]
)
def test_an_upload_whose_note_is_damaged_goes_on_no_more_and_keeps_no_other(
    uploads: FileBucket, records: Records, bucket: Bucket, monkeypatch: Any, note: str
):
    coming, key = begin(uploads, records)
    uploads.append(coming, key, 0, [DATA[: PART + 3]], SIZE)
    records.client.hset(records.keys.upload(coming), "parts", note)
    gone = [begin(uploads, records)[0] for _ in range(3)]
    for each in gone:
        uploads.store(each, [b"gone"], 10)

    with pytest.raises(FileNotFoundError):
        uploads.append(coming, key, PART + 3, [b"more"], SIZE)
    later = time.time() + PARTS_GRACE_SECONDS + 60
    monkeypatch.setattr(files_module.time, "time", lambda: later)
    assert list(uploads.sweep(lambda owner: {key} if owner == coming else set(), 60.0))

    assert bucket.objects() == {}
    assert bucket.open_parts() == []

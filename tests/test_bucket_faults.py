"""A bucket that is away, slow, or refuses: who waits for a file is told, and nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway import progress
from headway.files.bucket import objects
from headway.files.bucket.address import address_of
from headway.files.bucket.files import FileBucket
from headway.files.bucket.objects import Objects
from headway.files.bucket.parts import MIN_PART_BYTES
from headway.files.store import FilesAway
from headway.snapshot import Phase
from headway.state import state_of
from headway.store.records import Records
from tests import by_hand
from tests.bodies import live_celery, run
from tests.by_hand import claimed_by
from tests.s3_faults import Fault, FaultyProxy, faulty_proxy
from tests.s3_server import CREDENTIALS, Bucket
from tests.test_tus import begun, code, offset, send
from tests.test_upload_endpoint import MULTIPART, body, part

PART = MIN_PART_BYTES
DATA = random.Random(9).randbytes(PART + 1_000_000)
SIZE = len(DATA)
LASTING = [
    Fault.HANGS,
    Fault.ENDS,
    Fault.FAILS,
    Fault.IS_BUSY,
    Fault.REFUSES,
    Fault.TALKS_JUNK,
]
PASSING = [Fault.HANGS, Fault.ENDS, Fault.FAILS, Fault.IS_BUSY, Fault.LOSES_ANSWER]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what hangs be given up soon."""
    monkeypatch.setattr(objects, "READ_SECONDS", 1.0)


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[FaultyProxy]:
    with faulty_proxy(bucket.server.port) as proxy:
        yield proxy


@pytest.fixture
def url(bucket: Bucket, proxy: FaultyProxy) -> str:
    return bucket.url_by(proxy.endpoint)


@pytest.fixture
def env(env: dict[str, str], url: str) -> dict[str, str]:
    return env | {"FILES": url}


@pytest.fixture
def store(url: str, records: Records) -> FileBucket:
    return FileBucket(address_of(url), "", records.uploads.parts, "tasks")


def upload(client: FlaskClient, data: bytes = DATA) -> Any:
    return client.post("/uploads", data=body(part("file", data, "a.bin")), content_type=MULTIPART)


@pytest.mark.parametrize("fault", LASTING)
def test_an_upload_that_cannot_be_stored_is_refused_and_leaves_nothing(
    client: FlaskClient, records: Records, bucket: Bucket, proxy: FaultyProxy, fault: Fault, caplog
):
    with proxy.failing(fault, "^(PUT|POST)"):
        small = upload(client, b"small")
        large = upload(client)

    assert [code(one) for one in (small, large)] == [(503, "not_stored")] * 2
    assert list(records.client.scan_iter("*headway:upload:*")) == []
    assert bucket.objects() == {}
    assert bucket.open_parts() == []
    assert "s3://" in caplog.text
    for secret in CREDENTIALS["AWS_SECRET_ACCESS_KEY"], CREDENTIALS["AWS_ACCESS_KEY_ID"]:
        assert secret not in caplog.text + small.text
    assert upload(client).status_code == 201


@pytest.mark.parametrize("fault", LASTING)
def test_an_upload_in_pieces_goes_on_where_it_was(
    client: FlaskClient, bucket: Bucket, proxy: FaultyProxy, fault: Fault
):
    address = begun(client, SIZE)
    send(client, address, 0, DATA[:1000])

    with proxy.failing(fault):
        first = send(client, address, 1000, DATA[1000 : PART + 2000])
        at = offset(client, address)  # without asking the bucket
    second = send(client, address, 1000, DATA[1000 : PART + 2000])
    with proxy.failing(fault, "uploadId"):
        last = send(client, address, PART + 2000, DATA[PART + 2000 :])
        at_last = offset(client, address)
    end = send(client, address, at_last, DATA[at_last:])

    assert code(first) == code(last) == (503, "not_stored")
    assert (at, second.status_code, at_last) == (1000, 204, PART + 2000)
    assert (end.status_code, offset(client, address)) == (204, SIZE)
    assert list(bucket.objects().values()) == [DATA]
    assert bucket.open_parts() == []


def test_one_that_is_not_joined_is_joined_by_the_next_who_asks(
    client: FlaskClient, records: Records, bucket: Bucket, proxy: FaultyProxy
):
    address = begun(client, SIZE)
    upload_id = address.rpartition("/")[2]

    with proxy.failing(Fault.REFUSES, "^POST .*uploadId"):
        sent = send(client, address, 0, DATA)
        asked = client.head(address, headers={"Tus-Resumable": "1.0.0"})
    assert (sent.status_code, asked.status_code) == (503, 503)
    assert records.uploads.read([upload_id]) == [None]

    assert offset(client, address) == SIZE
    assert records.uploads.read([upload_id]) != [None]
    assert list(bucket.objects().values()) == [DATA]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize(
    "which", ["^POST .*uploads", "^PUT .*partNumber", "^POST .*uploadId", "^GET", "^DELETE"]
)
def test_what_fails_once_is_tried_again(
    client: FlaskClient, bucket: Bucket, proxy: FaultyProxy, fault: Fault, which: str
):
    address = begun(client, SIZE)

    with proxy.failing(fault, which, times=1):
        send(client, address, 0, DATA[:1000])
        send(client, address, 1000, DATA[1000 : PART + 1000])
        sent = send(client, address, PART + 1000, DATA[PART + 1000 :])

    assert proxy.failed == 1
    assert sent.status_code == 204
    assert list(bucket.objects().values()) == [DATA]
    with proxy.failing(fault, which, times=1):
        assert upload(client).status_code == 201
    assert list(bucket.objects().values()) == [DATA] * 2


def test_parts_that_are_gone_are_not_taken_for_joined_ones(
    url: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
):
    """A bucket may be told to drop parts that nobody joins."""
    call = Objects._call

    def join_none(storage: Objects, what: str, **about: Any) -> Any:
        if what == "complete_multipart_upload":
            raise FileNotFoundError("NoSuchUpload")
        return call(storage, what, **about)

    monkeypatch.setattr(Objects, "_call", join_none)
    storage = Objects(address_of(url))
    storage.put("joined", b"data")

    storage.join_parts("joined", "upload", [(1, "etag")])
    with pytest.raises(FileNotFoundError):
        storage.join_parts("join", "upload", [(1, "etag")])


@pytest.mark.parametrize("fault", [*LASTING, Fault.CUTS])
def test_a_download_says_so_and_the_file_stays(
    client: FlaskClient, records: Records, app: Flask, proxy: FaultyProxy, fault: Fault
):
    task_id = claimed_by(client, records)
    files = state_of(app).files
    assert files is not None
    by_hand.give(records, files, task_id, "a.bin", b"data" * 1000)
    address = f"/tasks/{task_id}/files/a.bin"

    with proxy.failing(fault, "list-type"):
        away = client.get(address)
    whole = client.get(address, buffered=True)
    listed = client.get(f"/tasks/{task_id}/files").json["files"]

    assert code(away) == (503, "files_away")
    assert whole.data == b"data" * 1000
    assert [one["name"] for one in listed] == ["a.bin"]


def test_a_read_that_is_cut_goes_on_and_one_that_is_cut_for_ever_raises(
    store: FileBucket, proxy: FaultyProxy
):
    key = store.store("a", [DATA], SIZE).key
    opened = store.open("a", key)
    assert opened is not None

    with proxy.failing(Fault.CUTS, f"^GET .*{key}", times=2):
        assert opened.read() == DATA
    opened.seek(0)
    with proxy.failing(Fault.CUTS, f"^GET .*{key}"), pytest.raises(FilesAway):
        opened.read(SIZE)


def test_a_task_is_told_and_keeps_its_other_files_and_its_result(
    redis_url: str, records: Records, proxy: FaultyProxy, url: str
):
    celery = live_celery(redis_url)
    celery.conf.headway_files = url
    celery.conf.headway_stream_max_bytes = 20
    raised: list[str] = []

    def gives() -> None:
        progress.file("first.txt", b"first")
        with proxy.failing(Fault.REFUSES):
            try:
                progress.file("second.txt", b"second")
            except OSError as error:
                raised.append(str(error))
            with progress.stream("answer", overflow="file") as out:
                out.write("x" * 50)
            progress.flush()
        progress.file("third.txt", b"third")

    task_id = run(celery, gives)

    assert raised == [
        f"The storage of files, {url.partition('/of-a')[0]}, failed: these credentials may not "
        "do it (AccessDenied, status 403)."
    ]
    assert [one.name for one in records.files.of(task_id)] == ["first.txt", "third.txt"]
    text = records.queries.read_streams(task_id, {})["answer"]["text"]
    assert "The rest was not kept" in text
    celery.close()


@pytest.mark.parametrize("fault", LASTING)
def test_a_task_is_forgotten_all_the_same(
    client: FlaskClient, records: Records, app: Flask, proxy: FaultyProxy, fault: Fault
):
    task_id = claimed_by(client, records)
    files = state_of(app).files
    assert files is not None
    by_hand.give(records, files, task_id, "a.bin", b"data")
    by_hand.write(records, task_id, 1, Phase.SUCCEEDED)

    with proxy.failing(fault):
        assert client.post(f"/tasks/{task_id}/forget").status_code == 204

    assert records.read([task_id]) == [None]

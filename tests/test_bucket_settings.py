"""The address of a bucket: what it says, what is refused, and what `headway doctor` finds there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from app import create_app, doctor
from headway import ConfigError
from headway.celery import cli
from headway.checks import Finding, Mark, file_findings
from headway.files import place
from headway.files.bucket.address import Address, address_of
from headway.files.place import file_store
from headway.store.records import Records
from tests.bodies import live_celery
from tests.documents import block
from tests.kept_files import Place
from tests.processes import free_port
from tests.s3_server import CREDENTIALS, Bucket

SECRET = "hunter2-marked"


def test_an_address_says_where_a_bucket_is():
    short = address_of("s3://shop-files")
    long = address_of("s3://shop-files/a/b/?endpoint=https://minio:9000&region=eu-central-1")

    assert short == Address("shop-files", "", None, None)
    assert long == Address("shop-files", "a/b/", "https://minio:9000", "eu-central-1")


def test_the_documents_bucket_is_one():
    celery = Celery(set_as_current=False)

    exec(block("docs/files.md", "celery.conf.headway_files"), {"celery": celery})

    found = address_of(celery.conf.headway_files)
    endpoint = "https://minio.internal:9000"
    assert found == Address("shop-files", "headway/", endpoint, "eu-central-1")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://", "no address"),
        ("s3://A_B", "no address"),
        ("s3://shop/a b", "no address"),
        ("s3://shop?endpoint=minio:9000", "no address"),
        ("s3://shop?endpoint=ftp://minio", "no address"),
        ("s3://shop?endpoint=http://minio:port", "no address"),
        ("s3://shop?endpoint", "no address"),
        ("s3://shop#a", "no address"),
        (f"s3://shop?secret={SECRET}", "unknown option"),
        (f"s3://key:{SECRET}@shop", "holds credentials"),
        (f"s3://shop?endpoint=http://key:{SECRET}@minio", "holds credentials"),
    ],
)
def test_a_wrong_address_is_refused_at_the_start_and_not_repeated(
    env: dict[str, str], url: str, why: str
):
    with pytest.raises(ConfigError, match=why) as raised:
        create_app(env | {"FILES": url})

    assert "headway_files" in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["s3:/shop-files", "S3://shop-files", "gs://shop-files/x", "file:///srv"]
)
def test_an_address_that_is_no_bucket_makes_no_folder(env: dict[str, str], url: str):
    with pytest.raises(ConfigError, match="neither a folder nor an address"):
        create_app(env | {"FILES": url})

    [finding] = doctor.check_files({"FILES": url})
    assert finding.mark == Mark.BAD
    assert not Path(url.partition("/")[0]).exists()


def test_a_bucket_without_its_extra_is_refused(records: Records, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(place, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"pip install 'headway\[s3\]'"):
        file_store({"headway_files": "s3://shop-files"}, records)


def test_the_doctor_stores_reads_and_deletes_a_file(
    env: dict[str, str], kept: Place, redis_url: str
):
    celery = live_celery(redis_url)
    celery.conf.headway_files = kept.at
    good = Finding(Mark.GOOD, "files", "can be stored, read and deleted")

    assert list(doctor.check_files({"FILES": kept.at})) == [good]
    assert good in list(cli.findings(celery))
    assert kept.files() == {}
    celery.close()


@pytest.mark.parametrize("why", ["no such bucket", "nothing answers", "no credentials", "bad"])
def test_the_doctor_says_why_files_cannot_be_kept(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str
):
    at: Any = bucket.url
    if why == "no such bucket":
        at = at.replace(bucket.name, "another-bucket")
    elif why == "nothing answers":
        at = bucket.url_by(f"http://127.0.0.1:{free_port()}")
    elif why == "no credentials":
        at = bucket.url.replace("127.0.0.1", "localhost")  # a client of its own
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
    else:
        at = tmp_path / "file"
        at.write_text("bad")
        why = "File exists"

    [finding] = file_findings(at)

    assert (finding.mark, finding.subject) == (Mark.BAD, "files")
    assert why in finding.text
    assert "headway_files" in finding.text
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in finding.text

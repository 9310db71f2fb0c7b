"""The objects of a bucket: botocore's calls, with time limits and errors that hold no secret."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from headway import masking
from headway.files.bucket.address import Address
from headway.files.store import FilesAway

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0  # without a byte
ATTEMPTS = 3
CONNECTIONS = 50
GONE = frozenset({"NoSuchKey", "NoSuchUpload", "404"})
WHY = {
    "AccessDenied": "these credentials may not do it",
    "InvalidAccessKeyId": "these credentials are unknown there",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "NoSuchBucket": "there is no such bucket",
    "NoCredentialsError": "there are no credentials: set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or use a profile or a role of AWS",
    "EndpointConnectionError": "nothing answers there",
    "ConnectTimeoutError": "nothing answers there",
    "ReadTimeoutError": "the answer does not come",
    "SlowDown": "it is asked too often",
}


class Found(NamedTuple):
    """An object as it is listed: its name, size in bytes and when it was written (Unix time)."""

    name: str
    size: int
    at: float


class OpenParts(NamedTuple):
    """A multipart upload that is not joined: its object, its id and when it began (Unix time)."""

    name: str
    upload: str
    at: float


class Objects:
    """The objects of a bucket whose names begin with a prefix, which names here are without.

    All methods raise FilesAway where the storage is away, slow, refuses or fails, also after some
    tries, and FileNotFoundError for what is not there.
    """

    def __init__(self, address: Address) -> None:
        self._address = address

    def put(self, name: str, data: bytes) -> None:
        """Write an object whole."""
        self._call("put_object", Key=self._key(name), Body=data)

    def get(self, name: str, start: int, size: int) -> bytes:
        """Read `size` bytes, more than none, of an object which has them."""
        span = f"bytes={start}-{start + size - 1}"
        error: Exception | None = None
        for _ in range(ATTEMPTS):  # botocore tries again only before the body
            body = self._call("get_object", Key=self._key(name), Range=span)["Body"]
            try:
                data: bytes = body.read()
            except BotoCoreError as failed:
                error = failed
            else:
                if len(data) == size:
                    return data
            finally:
                body.close()
        raise self._away("it does not send what it has announced") from error

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        self._call("delete_object", Key=self._key(name))

    def listed(self, prefix: str) -> Iterator[Found]:
        """Yield the objects whose names begin so, by name."""
        asked: dict[str, Any] = {"Prefix": self._key(prefix)}
        while True:
            page = self._call("list_objects_v2", **asked)
            for one in page.get("Contents", ()):
                name = self._name(one["Key"])
                yield Found(name, one["Size"], one["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def begin_parts(self, name: str) -> str:
        """Begin an object that is put in parts; return the upload's id."""
        begun = self._call("create_multipart_upload", Key=self._key(name))
        return str(begun["UploadId"])

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        """Put a part of at least 5 MiB, or the last one, and return its ETag."""
        about = {"UploadId": upload, "PartNumber": number}
        put = self._call("upload_part", Key=self._key(name), Body=data, **about)
        return str(put["ETag"])

    def join_parts(self, name: str, upload: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of its parts: numbers that grow, with ETags; again does no harm."""
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        about = {"UploadId": upload, "MultipartUpload": {"Parts": listed}}
        try:
            self._call("complete_multipart_upload", Key=self._key(name), **about)
        except FileNotFoundError:
            if all(one.name != name for one in self.listed(name)):
                raise

    def drop_parts(self, name: str, upload: str) -> None:
        """Delete the parts of an object that will not be made."""
        self._call("abort_multipart_upload", Key=self._key(name), UploadId=upload)

    def open_parts(self, prefix: str) -> Iterator[OpenParts]:
        """Yield the multipart uploads that are not joined of objects whose names begin so."""
        asked: dict[str, Any] = {"Prefix": self._key(prefix)}
        while True:
            page = self._call("list_multipart_uploads", **asked)
            for one in page.get("Uploads", ()):
                began_at = one["Initiated"].timestamp()
                yield OpenParts(self._name(one["Key"]), one["UploadId"], began_at)
            if not page.get("IsTruncated"):
                return
            asked["KeyMarker"] = page["NextKeyMarker"]
            asked["UploadIdMarker"] = page.get("NextUploadIdMarker", "")

    def _call(self, method: str, **params: Any) -> Any:
        try:
            client = _client(self._address, os.getpid())
            return getattr(client, method)(Bucket=self._address.bucket, **params)
        except ClientError as error:
            operation = error.operation_name
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code in GONE:
                raise FileNotFoundError(f"{operation}: {code}") from None
            why = WHY.get(code, "")
            raise self._away(f"{why} ({code}, status {status})".strip()) from None
        except (BotoCoreError, ResponseParserError) as error:
            kind = type(error).__name__
            raise self._away(WHY.get(kind, kind)) from None

    def _away(self, why: str) -> FilesAway:
        return FilesAway(f"The storage of files, s3://{self._address.bucket}, failed: {why}.")

    def _key(self, name: str) -> str:
        return self._address.prefix + name

    def _name(self, key: str) -> str:
        return key.removeprefix(self._address.prefix)


@lru_cache(maxsize=8)
def _client(address: Address, pid: int) -> Any:
    """Return the client of a process: one that forks must not share its connections."""
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        masking.set_secrets(name, filter(None, [os.environ.get(name)]))
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        # Some storages do not know these checksums; the signed digest of the body checks it anyway.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "payload_signing_enabled": True,
            "addressing_style": "path" if address.endpoint else "auto",
        },
    )
    return get_session().create_client(
        "s3", region_name=address.region, endpoint_url=address.endpoint, config=config
    )

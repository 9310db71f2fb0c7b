"""An S3 server of the tests' own: moto's, in a process of its own; `python -m` starts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import requests
from botocore.session import get_session

from tests.processes import Process, free_port

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAFORTHETESTS",
    "AWS_SECRET_ACCESS_KEY": "a-secret-key-for-the-tests",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",  # nothing is asked of another machine
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


PREFIX = "of-a/project/"  # of the objects in each bucket


class S3Server:
    """Makes buckets; needs the credentials in the environment."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "tests.s3_server", str(self.port)]
        self._process = Process(command, folder / "s3.log")
        self._process.wait_until(self._answers)
        self.client: Any = get_session().create_client("s3", endpoint_url=self.endpoint)

    def _answers(self) -> bool:
        try:
            return requests.get(self.endpoint, timeout=1).ok
        except requests.RequestException:
            return False

    def bucket(self) -> Bucket:
        """Make a bucket of a test's own."""
        name = f"headway-{uuid4().hex}"
        self.client.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        return Bucket(self, name)

    def stop(self) -> None:
        self._process.stop()


class Bucket:
    """A bucket, seen past the product: what lies in it."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.server = server
        self.name = name
        self.url = self.url_by(server.endpoint)

    def url_by(self, endpoint: str) -> str:
        """Return the product's setting for this bucket, at another address of the server."""
        return f"s3://{self.name}/{PREFIX}?endpoint={quote(endpoint)}"

    def objects(self) -> dict[str, bytes]:
        """Return what lies in it by name."""
        listed = self.server.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return {
            one["Key"]: self.server.client.get_object(Bucket=self.name, Key=one["Key"])[
                "Body"
            ].read()
            for one in listed
        }

    def write(self, name: str, data: bytes) -> None:
        self.server.client.put_object(Bucket=self.name, Key=name, Body=data)

    def delete(self, name: str) -> None:
        self.server.client.delete_object(Bucket=self.name, Key=name)

    def open_parts(self) -> list[str]:
        """Return the names of the objects whose parts are not joined."""
        found = self.server.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return [one["Key"] for one in found]


def main(port: int) -> None:
    """Serve until the process ends."""
    # Not at the top: it would change botocore in the tests' own process.
    from moto.moto_server.werkzeug_app import create_backend_app
    from werkzeug.serving import run_simple

    # S3 alone: which of its services a request is for, moto finds out by listing all their folders.
    run_simple("127.0.0.1", port, create_backend_app("s3"), threaded=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))

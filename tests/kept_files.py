"""What lies where files are kept, a folder or a bucket, seen past the product."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from tests.s3_server import PREFIX, Bucket

# For a test that is about the folder alone.
IN_A_FOLDER = pytest.mark.parametrize("kept", ["folder"], indirect=True)


class Place(Protocol):
    """A place for files, with names as `uploads-01234567/<id>/<key>`."""

    at: str  # as the setting says it

    def files(self) -> dict[str, bytes]: ...
    def write(self, name: str, data: bytes) -> None: ...
    def delete(self, name: str) -> None: ...


class FolderPlace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = str(folder)

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()


class BucketPlace:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.at = bucket.url

    def files(self) -> dict[str, bytes]:
        return {name.removeprefix(PREFIX): data for name, data in self._bucket.objects().items()}

    def write(self, name: str, data: bytes) -> None:
        self._bucket.write(PREFIX + name, data)

    def delete(self, name: str) -> None:
        self._bucket.delete(PREFIX + name)


def owners(place: Place, kind: str) -> set[str]:
    """Return the ids of the tasks, or the uploads, that have files there."""
    return {name.split("/")[1] for name in place.files() if name.startswith(f"{kind}-")}


def only(place: Place, kind: str = "uploads") -> tuple[str, bytes]:
    """Return the name of the one file of a kind, and what it holds."""
    [found] = [item for item in place.files().items() if item[0].startswith(f"{kind}-")]
    return found

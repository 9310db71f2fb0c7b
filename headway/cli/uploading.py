"""Uploads the files that the command `start` names as `@path`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headway.arguments.annotations import bare, without_none
from headway.cli.errors import ExitCode, Failure
from headway.exceptions import ConfigError
from headway.files.store import TooLarge
from headway.files.upload import Upload
from headway.files.uploading import take_in
from headway.registry import TaskType
from headway.system import System

PIECE_BYTES = 1024 * 1024


def with_uploads(
    system: System, kind: TaskType, args: Mapping[str, Any], owner: str
) -> dict[str, Any]:
    """Return arguments with an upload's id in the place of each `@path` for a file.

    Raises Failure for a file that cannot be read or is too large.
    """
    files = {each.name for each in kind.uploads if bare(without_none(each.hint)[0]) is Upload}
    return {
        name: _upload(system, value[1:], owner)
        if name in files and isinstance(value, str) and value.startswith("@")
        else value
        for name, value in args.items()
    }


def _upload(system: System, path: str, owner: str) -> str:
    try:
        return take_in(system, Path(path).name, _pieces(path), owner=owner).id
    except (OSError, TooLarge, ConfigError) as error:
        raise Failure(f"{path} cannot be uploaded: {error}", ExitCode.USAGE) from error


def _pieces(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece

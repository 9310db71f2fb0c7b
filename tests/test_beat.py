"""A beat process sends, says and keeps of a live project what it does with the stock backend."""

from __future__ import annotations

import re
import shelve
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kombu import Connection

from tests.processes import ROOT, Process, Valkey, running, wait_for, worker

PROJECT = "tests.watched_project"
QUEUE = "by beat"
NAP = "beat: Waking up"
VARIES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d \S+|gen\d+@\S+|\d+(\.\d+)?s?")


class Beat:
    """A beat process of the project, with a schedule file in its folder."""

    def __init__(self, valkey: Valkey, backend: str, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._url = valkey.url
        # Elsewhere than in the root, where processes are forked of one that has imported headway.
        self._env = {"SHOP_REDIS": valkey.url, "SHOP_BACKEND": backend, "PYTHONPATH": str(ROOT)}

    def run(self, until: Callable[[], Any]) -> tuple[Any, str]:
        """Run beat until there is something; returns that, and what beat has said."""
        log = self._folder / "beat.log"
        log.unlink(missing_ok=True)
        command = ["beat", "-s", "schedule", "--pidfile=", "--loglevel", "DEBUG"]
        start = [sys.executable, "-m", "celery", "-A", PROJECT]
        process = Process([*start, *command], log, self._env, root=self._folder)
        with running(process):
            found = until()
            # Celery's beat fails where it is told to end while it uses its schedule file.
            naps = process.output().count(NAP)
            wait_for(lambda: process.output().count(NAP) > naps)
            assert process.stop() == 0
        lines = process.output().splitlines()
        return found, "\n".join(line for line in lines if "DEBUG" not in line)

    def message(self) -> dict[str, Any]:
        """Return the next message that is sent."""
        with Connection(self._url) as connection:
            message = connection.SimpleQueue(QUEUE).get(timeout=30)
            message.ack()
        said = {"headers": message.headers, "properties": message.properties}
        return {**said, "body": message.payload}

    def end(self) -> str:
        """Return what a worker says of the next task that is sent."""
        with running(worker(self._folder, self._env, QUEUE, PROJECT, root=self._folder)) as work:
            ended = re.compile(r"Task (watched\.add.* succeeded in .*)")
            wait_for(lambda: ended.search(work.output()))
            [said, *_] = ended.findall(work.output())
        return str(said)

    def kept(self) -> list[Any]:
        """Return the entries in the schedule file: what they send, and how often they have."""
        with shelve.open(str(self._folder / "schedule")) as file:
            return [(entry, entry.total_run_count) for entry in file["entries"].values()]


def said(valkey: Valkey, backend: str, folder: Path) -> dict[str, Any]:
    """Return what beat sends, says and keeps, and how what it sends ends."""
    valkey.empty()
    beat = Beat(valkey, backend, folder)
    message, printed = beat.run(beat.message)
    [(_, count)] = beat.kept()
    end, again = beat.run(beat.end)  # it goes on with what it has kept
    [(entry, total)] = beat.kept()
    assert total > count > 0
    described = [entry.name, entry.task, entry.args, entry.options, entry.schedule.human_seconds]
    return {
        "headers": {name: alike(value) for name, value in message["headers"].items()},
        "properties": {name: alike(value) for name, value in message["properties"].items()},
        "body": message["body"],
        "lines": {alike(line) for line in (printed + again).splitlines()},
        "end": alike(end),
        "kept": described,
    }


def alike(value: Any) -> str:
    """Return a text of something without what varies."""
    return VARIES.sub("*", str(value))


def test_it_does_what_it_does_with_the_stock_backend(valkey: Valkey, tmp_path: Path):
    stock = said(valkey, valkey.url, tmp_path / "stock")
    live = said(valkey, f"headway+{valkey.url}", tmp_path / "live")

    assert stock["end"] == "watched.add[*] succeeded in *: *"
    assert stock["headers"]["shelf"] == "left"
    del live["headers"]["headway_send"]  # docs/protocol.md
    for name in stock:
        assert live[name] == stock[name], name

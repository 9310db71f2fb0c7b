"""Processes of the bench: helpers that do what they are asked over a pipe, and Node."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.processes import ROOT

PEERS = ROOT / "bench"  # where package.json of the Node peers is
ANSWER_SECONDS = 120.0


class Failed(Exception):
    """A part of the bench could not be run; the message says which, and what to do."""


class Helper:
    """A child process that reads one JSON request a line and answers each with one line of JSON."""

    def __init__(self, command: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as errors:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert popen.stdin is not None
        assert popen.stdout is not None
        self._popen = popen
        self._requests = popen.stdin
        self._answers = popen.stdout

    def wait(self) -> None:
        """Return when it is ready, before it is asked for anything. Raises Failed."""
        self.answer()

    def ask(self, do: str, **arguments: Any) -> None:
        """Have it do something; `answer` waits for the end of it."""
        self._requests.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._requests.flush()

    def answered(self, seconds: float = 0.0) -> bool:
        """Whether there is an answer, or its end, within so many seconds."""
        poll = select.poll()  # `select` knows 1,024 files, and a swarm of websockets has more
        poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def answer(self, seconds: float = ANSWER_SECONDS) -> Any:
        """Return the answer. Raises Failed when it died, failed or is late."""
        line = self._answers.readline() if self.answered(seconds) else b""
        if not line:
            raise Failed(
                f"{self._popen.args!r} did not answer:\n"
                f"{self._log.read_text(errors='replace')[-2000:]}"
            )
        return json.loads(line)

    def call(self, do: str, **arguments: Any) -> Any:
        self.ask(do, **arguments)
        return self.answer()

    def stop(self) -> None:
        with suppress(BrokenPipeError):  # it has died: its row says so
            self._requests.close()
        self._answers.close()
        try:
            self._popen.wait(2)  # the end of its requests is its end
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def python_helper(
    module: str, log: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Helper:
    return Helper([sys.executable, "-m", module, *arguments], log, env)


@cache
def node() -> str:
    """Return the path of the Node that `make bench` uses.

    Raises Failed where its packages are not installed.
    """
    if not (PEERS / "node_modules" / "socket.io").exists():
        raise Failed("The Node peers are not installed: run `make bench`, which does that.")
    npm = [str(ROOT / "scripts" / "npm.sh"), "--prefix", str(PEERS), "run", "--silent", "node"]
    said = subprocess.run(npm, capture_output=True, text=True, check=False)
    if said.returncode or not shutil.which(said.stdout.strip()):
        raise Failed(f"No Node: {said.stderr.strip()}")
    return said.stdout.strip()

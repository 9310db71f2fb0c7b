"""The examples of a document, by the file name in their first line; and what its reader runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from celery import _state, current_app

from headway.celery.messages.sends import load_owner_by, nobody
from tests.processes import ROOT, Process, Valkey, answers, children_of, free_port, running
from tests.registered import forgotten_after

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code in a document; `language` is "" where it names none."""

    language: str
    text: str


def page(name: str) -> str:
    """Return the text of a document, as "README.md" or "docs/pages.md"."""
    return (ROOT / name).read_text()


def blocks_of(name: str) -> list[Block]:
    """Return a document's blocks, in their order."""
    return [Block(*found) for found in BLOCK.findall(page(name))]


def block(name: str, beginning: str) -> str:
    """Return the text of the document's one block that begins so."""
    [found] = [each.text for each in blocks_of(name) if each.text.startswith(beginning)]
    return found


def files_of(name: str) -> dict[str, str]:
    """Return the files of a document's examples: "# shop.py" in the first line names one."""
    blocks = re.findall(r"```\w+\n(?:# |<!-- )(\S+\.\w+)(?: -->)?\n(.*?)```", page(name), re.DOTALL)
    files = dict(blocks)
    assert len(files) == len(blocks), f"{name} names a file twice"
    return files


@contextmanager
def module_of(name: str, file: str) -> Iterator[ModuleType]:
    """An example as a module, without a folder; what it registers in this process goes after it."""
    current = current_app._get_current_object()
    module = ModuleType(file.removesuffix(".py"))
    try:
        code = compile(files_of(name)[file], file, "exec", dont_inherit=True)
        with forgotten_after():
            exec(code, module.__dict__)
            yield module
    finally:
        current.set_current()
        for app in _state._get_active_apps():
            for task_name, task in tuple(app._tasks.items()):
                if task.__module__ == module.__name__:
                    app._tasks.unregister(task_name)
        load_owner_by(nobody)


class Followed:
    """A folder with a document's files, in which its reader runs their commands.

    `changes` are made in the files: addresses that are taken on this machine.
    """

    def __init__(
        self, name: str, folder: Path, valkey: Valkey, changes: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._shell = "".join(each.text for each in blocks_of(name) if each.language == "sh")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {"REDIS_URL": valkey.url, "PYTHONPATH": str(ROOT), "PATH": path}
        for file, text in files_of(name).items():
            text = re.sub(r"redis://localhost(:6379/0)?", valkey.url, text)
            for shown, there in (changes or {}).items():
                text = text.replace(shown, there)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)

    def run(self, stack: ExitStack, module: str, *, with_worker: bool = True) -> str:
        """Start the document's worker and site of a module; returns the site's address.

        By the document's own commands, where it has them.
        """
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        if with_worker:
            self.worker = self.start(stack, self._command(f"celery -A {module}:celery worker"))
            # Its children are there at once, and take tasks a little later.
            self.worker.wait_until(lambda: bool(children_of(self.worker.pid)))
        # The port is told to Flask as its own documents say: 5000 may be taken here.
        site = self.start(
            stack, self._command(f"flask --app {module} run"), FLASK_RUN_PORT=str(port)
        )
        site.wait_until(lambda: answers(f"{address}/headway/healthz"))
        return address

    def _command(self, beginning: str) -> str:
        """Return the document's command that begins so, or just that where it has none."""
        lines = [line for line in self._shell.splitlines() if line.startswith(beginning)]
        return lines[0] if lines else beginning

    def start(self, stack: ExitStack, command: str, **env: str) -> Process:
        """Start a command, as in a terminal of its own; it ends with `stack`."""
        log = self.folder / f"{command.split()[0]}-{os.urandom(4).hex()}.log"
        env = {"REMAP_SIGTERM": "SIGQUIT", **self.env, **env}
        process = Process(["sh", "-c", f"exec {command}"], log, env, root=self.folder)
        stack.enter_context(running(process))
        return process

    def say(self, command: str) -> str:
        """Return what a command of the shell prints; it has to succeed."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=os.environ | self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

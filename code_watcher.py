"""Restarts workers and web processes, during development, when the application's code is edited.

If the edited code cannot be loaded, they go on as they were; the terminal and each page say why.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.services import ROOT, private_files
from supervisor import ManagedProcess, echo, end_with_parent

WATCHED = ROOT / "app"
NOTE = "code-problem.txt"  # in the data folder: why the code cannot be loaded, for the pages
POLL_SECONDS = 0.2
LOADING_SECONDS = 20.0  # after which it is said that code is still not loaded


class CodeWatcher:
    """Restarts some processes when a file of the application has changed."""

    def __init__(self, note: Path, children: Sequence[ManagedProcess]) -> None:
        self._note = note
        self._children = children
        self._seen = edited_at()
        self._tell("")

    async def watch(self) -> None:
        """Watch until it is cancelled."""
        loader = await start_loader()
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                found = edited_at()
                changed = {path for path, _ in found.items() ^ self._seen.items()}
                if changed:
                    self._seen = found
                    names = ", ".join(sorted(str(path.relative_to(ROOT)) for path in changed))
                    await self._load(names, loader)
                    loader = await start_loader()
        finally:
            await end(loader)

    async def _load(self, names: str, loader: Process) -> None:
        """Take the edited code once it is loaded, or say why not; give up where it is edited again.

        A busy machine may only be slow: what takes long is said, and waited for all the same.
        """
        loading = asyncio.create_task(find_problem(loader))
        done, _ = await asyncio.wait([loading], timeout=LOADING_SECONDS)
        if not done:
            self._take(names, f"It is not loaded after {LOADING_SECONDS:g} s.")
        while not loading.done() and edited_at() == self._seen:
            await asyncio.wait([loading], timeout=POLL_SECONDS)
        if loading.done():
            self._take(names, loading.result())
        else:
            await end(loader)
            await loading

    def _take(self, names: str, problem: str) -> None:
        self._tell(problem)
        if problem:
            echo(f"{names}: cannot be loaded, so what runs stays as it was.\n{problem}")
            return
        echo(f"{names}: edited, so workers and web processes restart.")
        for child in self._children:
            child.restart()

    def _tell(self, problem: str) -> None:
        with private_files():
            self._note.write_text(problem)


def edited_at() -> dict[Path, int]:
    """Return when each file of the application was written last."""
    found = {}
    for path in WATCHED.rglob("*.py"):
        with suppress(FileNotFoundError):  # an editor replaces it
            found[path] = path.stat().st_mtime_ns
    return found


async def start_loader() -> Process:
    """Start a process that loads the code once it reads a line, with the libraries loaded."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "load_code.py",
        cwd=ROOT,
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        preexec_fn=end_with_parent,
        start_new_session=True,  # the terminal's Ctrl-C does not reach it
    )


async def find_problem(loader: Process) -> str:
    """Return why the code cannot be loaded, "" if it can."""
    _, said = await loader.communicate(b"\n")
    if loader.returncode == 0:
        return ""
    how = f"Loading it ended with exit code {loader.returncode}."
    return said.decode(errors="replace").strip() or how


async def end(loader: Process) -> None:
    if loader.returncode is None:
        loader.kill()
        await loader.wait()

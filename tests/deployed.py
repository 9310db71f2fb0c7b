"""An example of examples/, started by the commands of docs/serve.md and behind its nginx."""

from __future__ import annotations

import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import ROOT, Process, answers, children_of, free_port

PAGE = (ROOT / "docs" / "serve.md").read_text()
SECRET = "a secret for the tests"
# What Debian's nginx.conf has around conf.d, but for this folder and no process of another user.
AROUND = """
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include shop.conf;
}
"""


def nginx_path() -> str:
    """Return where nginx is; fails where it is not."""
    path = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if path is None:
        pytest.fail("NO NGINX: install Debian's package nginx, or run `make test`.")
    return path


def commands(heading: str) -> list[str]:
    """Return the commands of a section of the document."""
    [section] = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    return [
        line
        for block in re.findall("```sh\n(.*?)```", section, re.DOTALL)
        for line in block.splitlines()
    ]


class Deployment:
    """A project, its worker, `headway serve` and nginx; `address` is what they lie below."""

    def __init__(self, heading: str, example: Path, folder: Path, redis_url: str) -> None:
        self._example = example
        self._folder = folder
        self._env = {
            "REDIS_URL": redis_url,
            "SECRET_KEY": SECRET,
            "HEADWAY_SECRET_KEY": SECRET,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        port = free_port()
        self._real = {
            "8000": str(free_port()),
            "5001": str(free_port()),
            "listen 80": f"listen 127.0.0.1:{port}",
        }
        self.address = f"http://127.0.0.1:{port}/shop"
        worker, serve_pages, self._serve = commands(heading)
        self._running: list[Process] = []
        with ExitStack() as started:
            started.callback(self.stop)
            self._nginx()
            self.worker = self._run("worker", worker)
            pages = self._run("pages", serve_pages)
            self.start_headway()
            pages.wait_until(lambda: answers(f"{self.address}/"))
            self.worker.wait_until(lambda: bool(children_of(self.worker.pid)))
            started.pop_all()

    def start_headway(self) -> None:
        """Start `headway serve`, also where it was before."""
        self._headway = self._run("headway", self._serve)
        self._headway.wait_until(
            lambda: "serves" in self._headway.output() and answers(f"{self.address}/headway/readyz")
        )

    def stop_headway(self) -> int:
        """Stop `headway serve`; returns its exit code."""
        self._running.remove(self._headway)
        return self._headway.stop()

    def stop(self) -> None:
        """Stop all at once."""
        with ThreadPoolExecutor() as each:
            list(each.map(Process.stop, self._running))

    def _run(self, name: str, command: str) -> Process:
        words = ["sh", "-c", f"exec env {self._as_here(command)}"]
        process = Process(words, self._folder / f"{name}.log", self._env, root=self._example)
        self._running.append(process)
        return process

    def _nginx(self) -> None:
        [block] = re.findall("```nginx\n(.*?)```", PAGE, re.DOTALL)
        (self._folder / "shop.conf").write_text(self._as_here(block))
        (self._folder / "nginx.conf").write_text(AROUND)
        log = self._folder / "nginx.log"
        options = ["-p", str(self._folder), "-c", "nginx.conf", "-e", "stderr"]
        self._running.append(Process([nginx_path(), *options], log, root=self._folder))

    def _as_here(self, text: str) -> str:
        for shown, real in self._real.items():
            text = text.replace(shown, real)
        return text

"""celery-progress's addresses in a Django project answer as with the stock backend."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from tests.processes import ROOT, Process, Valkey, answers, free_port, running, wait_for, worker

SITE = "tests.progress_site"
Info = dict[str, Any]


class Site:
    """The project's pages."""

    def __init__(self, stack: ExitStack, env: dict[str, str], folder: Path) -> None:
        port = free_port()
        self._address = f"http://127.0.0.1:{port}"
        serve = [sys.executable, "-m", "gunicorn", SITE, "--bind", f"127.0.0.1:{port}"]
        pages = Process([*serve, "--threads", "4"], folder / "pages.log", env, root=folder)
        stack.enter_context(running(pages))
        pages.wait_until(lambda: answers(f"{self._address}/celery-progress/{uuid4()}/"))

    def read(self, path: str) -> Info:
        found = requests.get(f"{self._address}/{path}", timeout=20)
        assert found.status_code == 200, (path, found.text)
        return dict(found.json())

    def start(self, name: str) -> str:
        return str(self.read(f"start/{name}")["id"])

    def info(self, task_id: str) -> Info:
        return self.read(f"celery-progress/{task_id}/")

    def under_way(self, task_id: str) -> Info:
        """Return what is said of an export that has told of its last row."""
        wait_for(lambda: self.info(task_id)["progress"]["current"] == 4)
        return self.info(task_id)

    def end(self, task_id: str) -> Info:
        """Return what is said of a task when it is complete."""
        wait_for(lambda: self.info(task_id)["complete"])
        return self.info(task_id)


def said(valkey: Valkey, backend: str, folder: Path) -> dict[str, Info]:
    """Return what the addresses say of tasks of each state, and of a group."""
    folder.mkdir()
    gate = folder / "gate"
    env = {"SHOP_REDIS": valkey.url, "SHOP_BACKEND": backend, "GATE": str(gate)}
    env["PYTHONPATH"] = str(ROOT)  # elsewhere than there, where processes are forked with headway
    with ExitStack() as stack:
        site = Site(stack, env, folder)
        export = site.start("export")
        found = {"unknown": site.info(str(uuid4())), "queued": site.info(export)}
        stack.enter_context(running(worker(folder, env, "celery", SITE, "-c", "1", root=folder)))
        found["running"] = site.under_way(export)
        waiting = site.start("export")
        site.read(f"revoke/{waiting}")
        site.read(f"revoke/{export}")
        found |= {"terminated": site.end(export), "revoked": site.end(waiting)}
        gate.touch()
        found |= {name: site.end(site.start(name)) for name in ("export", "fail", "later")}
        of_group = f"celery-progress/g/{site.read('group')['id']}/"
        wait_for(lambda: site.read(of_group)["complete"])
        found["group"] = site.read(of_group)
    return found


def test_each_state_is_told_as_with_the_stock_backend(valkey: Valkey, tmp_path: Path):
    valkey.empty()
    stock = said(valkey, valkey.url, tmp_path / "stock")
    valkey.empty()
    live = said(valkey, f"headway+{valkey.url}", tmp_path / "live")

    assert stock["later"]["result"]["next_retry_seconds"] == 3600
    assert {name: info.get("state") for name, info in stock.items()} == {
        "unknown": "PENDING",
        "queued": "PENDING",
        "running": "PROGRESS",
        "terminated": "REVOKED",
        "revoked": "REVOKED",
        "export": "SUCCESS",
        "fail": "FAILURE",
        "later": "RETRY",
        "group": None,
    }
    assert live == stock

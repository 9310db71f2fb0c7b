"""Flower shows a live project's worker, tasks, states and results as with the stock backend."""

from __future__ import annotations

import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from tests.documents import Followed, block
from tests.processes import ROOT, Process, Valkey, answers, free_port, running, wait_for

CELERY = [sys.executable, "-m", "celery", "-A", "tests.watched_project"]
WORKER = "shop@here"
INSPECTED = {"stats", "active_queues", "registered", "conf"}
INSPECTED |= {"scheduled", "active", "reserved", "revoked"}
ARGUMENTS = {"wait": [], "add": [1, 2], "fail": []}
ENDS = {"wait": "REVOKED", "add": "SUCCESS", "fail": "FAILURE"}
# Dates, times, for how long, process ids.
VARIES = re.compile(r"\d{4}-\d\d-\d\d \S+|\d+(\.\d+)?(e[+-]\d+)?( (ms|s|min|h)\b)?")
# Named in docs/celery.md: a live task's has frames of Headway's.
TRACEBACK = re.compile(r"Traceback \(most recent call last\).*?ValueError: no stock", re.DOTALL)


class Flower:
    """A Flower and the worker that it shows."""

    def __init__(self, stack: ExitStack, valkey: Valkey, backend: str, folder: Path) -> None:
        port = free_port()
        self._address = f"http://127.0.0.1:{port}"
        # Elsewhere than in the root, where processes are forked of one that has imported headway.
        env = {
            "SHOP_REDIS": valkey.url,
            "SHOP_BACKEND": backend,
            "FLOWER_UNAUTHENTICATED_API": "true",
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",  # the modules of a worker are shown in the order of a set
        }
        serve = ["flower", "--address=127.0.0.1", f"--port={port}", "--inspect-timeout=2000"]
        flower = Process([*CELERY, *serve], folder / "flower.log", env, root=folder)
        stack.enter_context(running(flower))
        flower.wait_until(lambda: answers(f"{self._address}/healthcheck"))
        work = ["worker", "-c", "1", "-E", "-n", WORKER, "--loglevel", "INFO"]
        self.worker = Process([*CELERY, *work], folder / "worker.log", env, root=folder)
        stack.enter_context(running(self.worker))
        self.worker.wait_until(lambda: " ready." in self.worker.output())

    def read(self, path: str) -> str:
        found = requests.get(f"{self._address}/{path}", timeout=20)
        assert found.status_code == 200, (path, found.text)
        return found.text

    def post(self, path: str, **data: Any) -> Any:
        """Return what the API says to a request."""
        found = requests.post(f"{self._address}/api/{path}", json=data, timeout=20)
        assert found.status_code == 200, (path, found.text)
        return found.json()

    def start(self, name: str) -> str:
        started = self.post(f"task/async-apply/watched.{name}", args=ARGUMENTS[name])
        return str(started["task-id"])

    def wait_for_state(self, task_id: str, state: str) -> None:
        url = f"{self._address}/api/task/info/{task_id}"  # 404 until Flower has heard of it

        def is_so() -> bool:
            found = requests.get(url, timeout=20)
            return found.status_code == 200 and found.json()["state"] == state

        wait_for(is_so)

    def wait_for_metric(self, name: str, value: str) -> None:
        """Wait for a number of the worker's."""
        line = re.compile(rf"^flower_worker_{name}\{{.*\}} {re.escape(value)}$", re.MULTILINE)
        wait_for(lambda: line.search(self.read("metrics")))


def said(valkey: Valkey, backend: str, folder: Path) -> dict[str, str]:
    """Return what Flower says of a worker, and of tasks that succeed, fail and are revoked."""
    folder.mkdir()
    with ExitStack() as stack:
        flower = Flower(stack, valkey, backend, folder)
        ids = {flower.start("wait"): "wait"}
        [waiting] = ids
        flower.wait_for_state(waiting, "STARTED")
        flower.post(f"task/revoke/{waiting}?terminate=true")
        flower.wait_for_state(waiting, "REVOKED")
        # Run by another process, so that the one that was ended is no longer counted.
        ids |= {flower.start(name): name for name in ("add", "fail")}
        for task_id, name in ids.items():
            flower.wait_for_state(task_id, ENDS[name])
        flower.wait_for_metric("online", "1.0")
        flower.wait_for_metric("number_of_currently_executing_tasks", "0.0")
        worker_now = f"api/workers?refresh=1&workername={WORKER}"
        # It asks in threads, and misses an answer now and then.
        wait_for(lambda: json.loads(flower.read(worker_now))[WORKER].keys() >= INSPECTED, 60)
        paths = [worker_now, "api/tasks", "api/task/types", "api/queues/length", "workers"]
        paths.append(f"worker/{WORKER}")
        for task_id in ids:
            paths += [f"task/{task_id}", f"api/task/result/{task_id}?timeout=20"]
        texts = {path: flower.read(path) for path in paths}
        assert flower.worker.stop() == 0
        flower.wait_for_metric("online", "0.0")
        texts["workers after its end"] = flower.read("workers")
    return {alike(path, ids): alike(text, ids) for path, text in texts.items()}


def alike(text: str, ids: dict[str, str]) -> str:
    """Return a text of Flower's without what varies, and what the documents say is different."""
    for task_id, name in ids.items():
        text = text.replace(task_id, name).replace(task_id[:8], name)
    text = TRACEBACK.sub("Traceback", text.replace("headway+redis://", "redis://"))
    return VARIES.sub("0", text)


def test_the_documents_two_commands_show_a_task_in_flower(valkey: Valkey, tmp_path: Path):
    """With the README's project."""
    reader = Followed("README.md", tmp_path, valkey)
    worker, flower = block("docs/coming-from.md", "celery -A shop:celery worker -E").splitlines()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {"FLOWER_PORT": str(port), "FLOWER_UNAUTHENTICATED_API": "true"}

    def state(task_id: str) -> str:
        found = requests.get(f"{address}/api/task/info/{task_id}", timeout=20)
        return str(found.json()["state"]) if found.status_code == 200 else ""

    with ExitStack() as stack:
        shown = reader.start(stack, flower, **settings, FLOWER_ADDRESS="127.0.0.1")
        shown.wait_until(lambda: answers(f"{address}/healthcheck"))
        reader.start(stack, worker)
        task_id = reader.say("headway -A shop start export").strip()

        wait_for(lambda: state(task_id) == "STARTED")


def test_it_shows_what_it_shows_with_the_stock_backend(valkey: Valkey, tmp_path: Path):
    valkey.empty()
    stock = said(valkey, valkey.url, tmp_path / "stock")
    valkey.empty()
    live = said(valkey, f"headway+{valkey.url}", tmp_path / "live")

    ends = {name: json.loads(stock[f"api/task/result/{name}?timeout=0"]) for name in ENDS}
    assert {name: end["state"] for name, end in ends.items()} == ENDS
    assert live.keys() == stock.keys()
    for path in stock:
        read = json.loads if path.startswith("api/") else str.splitlines
        assert read(live[path]) == read(stock[path]), path

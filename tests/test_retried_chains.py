"""A failed part of a chain, run again, goes on with the rest of it, under a prefork worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.processes import Process, Valkey, answers, free_port, running, wait_for, worker

MODULE = "tests.chain_project"
FOLLOWS = {
    "chain": {"chain middle": ["chain flaky"], "chain last": ["chain middle"]},
    "chord": {
        "chord a": ["chord flaky"],
        "chord b": ["chord flaky"],
        "chord body": ["['chord a', 'chord b']"],
        "chord last": ["chord body"],
    },
    "group": {"group a": ["group flaky"], "group b": ["group flaky"]},
    "header": {
        "header a": [""],
        "header b": [""],
        "header body": ["['header flaky', 'header a', 'header b']"],
        "header last": ["header body"],
    },
}


class Shop:
    """The project with a worker, and a visitor."""

    def __init__(self, address: str, folder: Path, worker: Process) -> None:
        self.address = f"{address}/headway"
        self.folder = folder
        self.worker = worker
        self.http = requests.Session()

    def start(self, which: str) -> str:
        body = {"name": "begin", "args": {"which": which}}
        answer = self.http.post(f"{self.address}/tasks", json=body, timeout=10)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def parts(self, task_id: str, phase: str) -> list[str]:
        where = f"{self.address}/tasks/{task_id}/parts?phase={phase}"
        return [each["task_id"] for each in self.http.get(where, timeout=10).json()["tasks"]]

    def done(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def shop(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("chains")
    env = {"REDIS_URL": valkey.url, "DONE": str(folder), "PATH": os.environ["PATH"]}
    with ExitStack() as stack:
        port = free_port()
        command = [sys.executable, "-m", "flask", "--app", MODULE, "run", "--port", str(port)]
        stack.enter_context(running(Process(command, folder / "site.log", env)))
        process = worker(folder, env, "celery", f"{MODULE}:celery")
        stack.enter_context(running(process))
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{address}/headway/healthz"))
        yield Shop(address, folder, process)


@pytest.mark.parametrize("which", FOLLOWS)
def test_a_chain_whose_failed_part_is_run_again_goes_on(shop: Shop, which: str):
    task_id = shop.start(which)
    wait_for(lambda: len(shop.parts(task_id, "failed")) == 1, message="no part failed")

    answer = shop.http.post(f"{shop.address}/tasks/{task_id}/parts/retry", timeout=10)

    assert answer.status_code == 202, answer.text
    for name, before in FOLLOWS[which].items():
        assert wait_for(lambda name=name: shop.done(name), message=f"no {name}") == before
    wait_for(lambda: len(shop.parts(task_id, "succeeded")) == 1 + len(FOLLOWS[which]))
    assert shop.parts(task_id, "failed") == []

    again = answer.json()["tasks"][0]["task_id"]
    alone = shop.http.post(f"{shop.address}/tasks/{again}/retry", timeout=10).json()["task_id"]
    wait_for(lambda: len(shop.done(f"{which} flaky")) == 2, message="it did not run again")
    where = f"{shop.address}/status/{alone}"
    wait_for(lambda: shop.http.get(where, timeout=10).json()["phase"] == "succeeded")
    assert all(shop.done(name) == before for name, before in FOLLOWS[which].items())


def test_a_chord_that_has_failed_waits_for_each_part_that_is_run_again(shop: Shop):
    def failures() -> int:
        return shop.worker.output().count("celery.exceptions.ChordError: Dependency")

    before = failures()
    task_id = shop.start("both")
    wait_for(lambda: len(shop.parts(task_id, "failed")) == 2, message="both parts are to fail")
    wait_for(lambda: failures() == before + 1, message="the chord is to fail")

    one, other = shop.parts(task_id, "failed")
    shop.http.post(f"{shop.address}/tasks/{one}/retry", timeout=10)
    wait_for(
        lambda: failures() == before + 2, message="the chord is to fail again, by the other part"
    )
    assert shop.parts(task_id, "failed") == [other]
    shop.http.post(f"{shop.address}/tasks/{task_id}/parts/retry", timeout=10)

    [results] = wait_for(lambda: shop.done("both body"), message="no body")
    assert results == "['both flaky', 'both a', 'both b', 'both other flaky']"
    assert wait_for(lambda: shop.done("both last"), message="no end") == ["both body"]
    wait_for(lambda: len(shop.parts(task_id, "succeeded")) == 6)
    assert shop.parts(task_id, "failed") == []

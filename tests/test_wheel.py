"""The wheel: a foreign project that installs it is live by one setting, and without that
setting is as it was.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from headway.store.records import Records
from tests.processes import ROOT, Process, Valkey, running

CLIENT = """
import app, json, sys
ends = []
for result in [app.add.delay(1, 2), app.stocktake.delay(), app.die_once.delay(sys.argv[1])]:
    value = result.get(timeout=60, propagate=False)
    ends.append((result.id, value if result.successful() else type(value).__name__))
print(json.dumps(ends))
"""

DESCRIBE = """
import app, json
assert app.celery.backend
settings = {name: repr(value) for name, value in app.celery.conf.items()}
print(json.dumps([sorted(app.celery.tasks), settings]))
"""


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    [built] = folder.glob("*.whl")
    return built


def test_the_source_archive_holds_the_library_and_nothing_of_the_application(tmp_path: Path):
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
    [built] = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    own = {name for name in names if not name.startswith("headway/")}
    assert own == {
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "hatch_build.py",
        "pyproject.toml",
        ".gitignore",
    }
    assert {
        "headway/py.typed",
        "headway/store/lua/create.lua",
        "headway/static/headway.js",
    } <= names


BUNDLES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
    "artifacts"
]


@pytest.mark.parametrize("missing", BUNDLES)
def test_without_a_bundle_no_wheel_is_built(tmp_path: Path, missing: str):
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", *BUNDLES):
        if name != missing:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]

    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode != 0
    assert f"{missing} missing: build them with make bundle" in done.stdout + done.stderr


def test_the_wheel_holds_the_licence_of_each_bundled_package(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        script = archive.read("headway/static/headway-markdown.js").decode()
        licences = archive.read("headway/static/headway-markdown.licences.txt").decode()
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    version = locked["node_modules/markdown-it"]["version"]
    assert f"markdown-it {version}" in script

    _, *parts = re.split(r"^([\w.-]+) (\d+\.\d+\.\d+)\n\n", licences, flags=re.MULTILINE)
    names, versions, texts = parts[::3], parts[1::3], parts[2::3]

    # argparse, which its command alone needs, is not in it.
    needed = locked["node_modules/markdown-it"]["dependencies"]
    assert set(names) == {"markdown-it", *needed} - {"argparse"}
    assert versions == [locked[f"node_modules/{name}"]["version"] for name in names]
    assert ["AS IS" in text for text in texts] == [True] * len(names)


@pytest.fixture(scope="module")
def shop(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with an environment of its own, `.venv`, that has the wheel and
    nothing of this repository.
    """
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "tests" / "shop" / "app", folder / "app")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "-q", "-p", sys.executable, folder / ".venv")
    python = folder / ".venv" / "bin" / "python"
    run(uv, "pip", "install", "-q", "-p", python, "-c", ROOT / "requirements.txt", wheel)
    return folder


class Shop:
    """The project as it runs: its worker, and what its commands say."""

    def __init__(
        self, folder: Path, valkey: Valkey, backend: str, logs: Path, module: str = "app"
    ) -> None:
        self.folder = folder
        self.env = {
            "SHOP_REDIS": valkey.url,
            "SHOP_BACKEND": backend,
            "PYTHONPATH": "",
            "LANG": "C.UTF-8",
        }
        celery = str(folder / ".venv/bin/celery")
        command = [celery, "-A", module, "worker", "-c", "2", "--loglevel", "INFO"]
        log = logs / f"worker-{uuid4().hex}.log"
        self.worker = Process(command, log, self.env, root=folder)
        self.worker.wait_until(lambda: " ready." in self.worker.output())

    def check(self) -> subprocess.CompletedProcess[bytes]:
        """Run Headway's check of the project."""
        check = [self.folder / ".venv/bin/celery", "-A", "app", "headway"]
        env = os.environ | self.env
        return subprocess.run(check, cwd=self.folder, env=env, capture_output=True)

    def ends(self, mark: Path) -> list[tuple[str, str]]:
        """Start each of its tasks; returns their ids, and results or names of exceptions."""
        python = self.folder / ".venv" / "bin" / "python"
        done = run(python, "-c", CLIENT, mark, cwd=self.folder, env=os.environ | self.env)
        return [tuple(end) for end in json.loads(done.stdout)]


# A module of the project's that writes each signal, with what it carries, into the worker's log.
OBSERVED = """
import logging
from celery import signals
from app import celery
def connect(name, signal):
    def note(sender=None, **carried):
        logging.getLogger("signals").warning("signal %s with %s", name, sorted(carried))
    signal.connect(note, weak=False)
for name in signals.__all__:
    if name.startswith(("task_", "worker_", "before_", "after_task", "celeryd_")):
        connect(name, getattr(signals, name))
"""
VARIES = re.compile(
    r"0x[0-9a-f]+|\[\d{4}-[^]]*\]|[0-9a-f]{8}-[0-9a-f-]{27}|worker\d*@\S+|\d+(\.\d+)?s?"
)
LEFT = """
import app, json, sys
result = app.celery.AsyncResult(sys.argv[1])
print(json.dumps(result.get(timeout=60)))
"""


def described(shop: Path, valkey: Valkey, backend: str, folder: Path) -> dict[str, object]:
    """Run the project, and return all that its tasks, settings, signals and log say of it."""
    folder.mkdir()
    started = Shop(shop, valkey, backend, folder, "observed")
    with running(started.worker):
        ends = started.ends(folder / "mark")
        assert started.worker.stop() == 0
    with redis.Redis.from_url(valkey.url) as client:
        stored = [client.get(f"celery-task-meta-{task_id}").decode() for task_id, _ in ends]
    python = shop / ".venv" / "bin" / "python"
    tasks = run(python, "-c", DESCRIBE, cwd=shop, env=os.environ | started.env).stdout
    return {
        "results": [end for _, end in ends],
        "stored": [VARIES.sub("*", one) for one in stored],
        "tasks and settings": json.loads(tasks),
        "log": sorted({VARIES.sub("*", line) for line in started.worker.output().splitlines()}),
    }


def test_taken_out_after_it_was_live_all_is_as_it_was(
    shop: Path, valkey: Valkey, redis_url: str, tmp_path: Path
):
    (shop / "observed.py").write_text(OBSERVED)
    live_url = f"headway+{redis_url}"
    python = shop / ".venv" / "bin" / "python"
    env = {"SHOP_REDIS": redis_url, "PYTHONPATH": "", "SHOP_BACKEND": live_url}
    before = described(shop, valkey, redis_url, tmp_path / "before")

    live = described(shop, valkey, live_url, tmp_path / "live")
    send = "import app; print(app.add.delay(20, 22).id)"  # while no worker runs
    waiting = run(python, "-c", send, cwd=shop, env=os.environ | env).stdout.strip()
    after = described(shop, valkey, redis_url, tmp_path / "after")

    left = [python, "-c", LEFT, waiting]
    got = run(*left, cwd=shop, env=os.environ | env | {"SHOP_BACKEND": redis_url}).stdout
    assert live["results"] != before["results"]
    assert any("task_prerun" in line for line in before["log"])
    for name in before:
        assert after[name] == before[name], name
    assert json.loads(got) == 42  # sent while it was live, run without it


@pytest.fixture
def live(shop: Path, valkey: Valkey, redis_url: str, tmp_path: Path) -> Iterator[Shop]:
    started = Shop(shop, valkey, f"headway+{redis_url}", tmp_path)
    with running(started.worker):
        yield started


@pytest.fixture
def stock(shop: Path, valkey: Valkey, redis_url: str, tmp_path: Path) -> Iterator[Shop]:
    started = Shop(shop, valkey, redis_url, tmp_path)
    with running(started.worker):
        yield started


def test_the_wheel_holds_the_library_alone_and_all_of_it(wheel: Path):
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if ".dist-info/" not in name}

    in_repository = {
        str(path.relative_to(ROOT)) for path in (ROOT / "headway").rglob("*") if path.is_file()
    }
    assert packed == {name for name in in_repository if "__pycache__" not in name}
    assert "headway/py.typed" in packed


def test_one_setting_makes_a_project_live(live: Shop, records: Records, tmp_path: Path):
    ends = live.ends(tmp_path / "mark")

    assert [end for _, end in ends] == [3, "all there", "alive"]
    snapshots = [
        json.loads(stored.snapshot)
        for stored in records.read([task_id for task_id, _ in ends])
        if stored
    ]
    assert [(one["phase"], one["attempt"]) for one in snapshots] == [
        ("succeeded", 1),
        ("succeeded", 1),
        ("succeeded", 2),  # its process was killed, and it was run again
    ]
    assert "3 tasks are live" in live.worker.output()
    check = live.check()
    assert (check.returncode, b"3 are live" in check.stdout) == (0, True), check
    headway = [
        live.folder / ".venv/bin/headway",
        "-A",
        "app",
        "start",
        "app.add",
        "x=1",
        "y=2",
        "--watch",
    ]
    assert run(*headway, cwd=live.folder, env=os.environ | live.env).stdout.endswith(
        "succeeded   100 %  3\n"
    )


def test_without_it_nothing_differs(stock: Shop, records: Records, tmp_path: Path):
    ends = stock.ends(tmp_path / "mark")

    assert [end for _, end in ends] == [3, "all there", "WorkerLostError"]
    assert not records.client.keys("*headway*")
    assert "live" not in stock.worker.output()
    check = stock.check()
    assert (check.returncode, b"set result_backend to" in check.stdout) == (1, True), check


def test_it_registers_no_task_and_changes_no_other_setting(shop: Path, redis_url: str):
    def describe(backend: str) -> tuple[list[str], dict[str, str]]:
        env = {"SHOP_REDIS": redis_url, "SHOP_BACKEND": backend, "PYTHONPATH": ""}
        python = shop / ".venv" / "bin" / "python"
        tasks, settings = json.loads(
            run(python, "-c", DESCRIBE, cwd=shop, env=os.environ | env).stdout
        )
        return tasks, settings

    stock_tasks, stock_settings = describe(redis_url)
    tasks, settings = describe(f"headway+{redis_url}")

    assert tasks == stock_tasks
    different = {name for name in settings if settings[name] != stock_settings[name]}
    assert (settings.keys(), different) == (stock_settings.keys(), {"result_backend"})


def test_all_that_the_library_imports_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *declared["dependencies"],
        *chain.from_iterable(declared["optional-dependencies"].values()),
    ]
    names = {re.split(r"[\[<>=;]", each)[0].replace("-", "_") for each in wanted}
    # python-engineio, python-socketio, redis[hiredis], celery
    names |= {
        "engineio",
        "socketio",
        "hiredis",
        "billiard",
    }
    names |= {"jinja2", "markupsafe"}  # flask
    names |= {"markdown_it"}  # markdown-it-py

    imported = set()
    for path in (ROOT / "headway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])

    assert imported - names - set(sys.stdlib_module_names) == {"headway"}

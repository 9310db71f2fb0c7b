"""A task is edited while `make run` runs: an error in it is shown where one looks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import code_watcher
from code_watcher import CodeWatcher
from tests.page import expect_nothing_of_axe, open_live
from tests.processes import ROOT, Process, answers, children_of, free_port, wait_for

TASK = '''"""A task of one's own."""

from headway import task


@task("Greet {name}")
def greet(name: str) -> str:
    return f"Hello {name}"
'''
POLITE = TASK.replace("(name: str)", "(name: str, title: str)").replace("Hello", "Hello {title}")
BROKEN = f"{TASK}\nnot_there\n"
PATIENCE = 60_000  # milliseconds: several processes start again


class Project(Process):
    """A copy of the application that is edited while `run.py` runs it."""

    def __init__(self, folder: Path) -> None:
        root = folder / "headway"
        unwanted = shutil.ignore_patterns(".*", "node_modules", "bench", "docs", "tests")
        shutil.copytree(ROOT, root, ignore=unwanted)
        self.task = root / "app" / "tasks" / "greeting.py"
        self.task.write_text(TASK)
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        env = {"DATA_DIR": "", "REDIS_URL": "", "MAIL_SERVER": "", "PORT": str(port)}
        super().__init__([sys.executable, "run.py"], folder / "run.log", env, root=root)

    def edit(self, text: str) -> str:
        """Write the task's file; return what is said of it."""
        before = len(self.output())
        self.task.write_text(text)
        self.wait_until(lambda: "greeting.py: " in self.output()[before:], PATIENCE / 1000)
        return self.output()[before:]

    def running(self, program: str) -> set[int]:
        """Return the processes that run.py has begun with this in their command line."""
        return {pid for pid in children_of(self.pid) if program in command_of(pid)}

    def has_loaded(self) -> bool:
        """Whether all that loads the task's file has done so: a worker begins its pool then."""
        workers = self.running(" worker ")
        return len(workers) == 2 and all(map(pool_of, workers)) and answers(f"{self.address}/start")

    def take(self, text: str) -> None:
        """Write the task's file; return once all that runs has loaded it."""
        before = self.running("wsgi.py") | self.running(" worker ")
        assert "edited, so" in self.edit(text)
        self.wait_until(lambda: not before & set(children_of(self.pid)), PATIENCE / 1000)
        self.wait_until(self.has_loaded, PATIENCE / 1000)


@pytest.fixture(scope="module")
def project_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("project"))
    project.wait_until(
        lambda: "Headway is ready" in project.output() and project.has_loaded(), PATIENCE / 1000
    )
    yield project
    project.stop()


@pytest.fixture
def project(project_of_all: Project) -> Project:
    """A project whose task is as it was at first."""
    if project_of_all.task.read_text() != TASK:
        project_of_all.take(TASK)
    return project_of_all


def command_of(pid: int) -> str:
    """Return a process's command line, "" where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def pool_of(worker: int) -> list[int]:
    """Return a worker's pool, nothing where it has ended."""
    with suppress(OSError):
        return children_of(worker)
    return []


def greet(page: Page, project: Project, result: str, **fields: str) -> None:
    """Start the task by its form once that has these fields; see its result."""

    def has_fields() -> bool:
        response = page.goto(f"{project.address}/start/greet")
        assert response is not None
        return response.ok and all(page.get_by_label(one).count() for one in fields)

    wait_for(has_fields, PATIENCE / 1000, "the form stays as it was")
    for name, value in fields.items():
        page.get_by_label(name).fill(value)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text(result, timeout=PATIENCE)


def test_an_error_is_shown_in_the_terminal_and_on_open_pages_and_all_goes_on(
    page: Page, browser: Browser, project: Project
):
    open_live(page, project.address)
    problem = page.locator("#code-problem")

    said = project.edit(BROKEN)
    expect(problem).to_contain_text("name 'not_there' is not defined")
    expect(problem).to_contain_text('File "app/tasks/greeting.py", line 10')
    expect_nothing_of_axe(page)
    without_script = browser.new_page(java_script_enabled=False)
    without_script.goto(f"{project.address}/start")
    expect(without_script.locator("#code-problem")).to_contain_text("not_there")
    without_script.close()
    other = page.context.new_page()
    greet(other, project, "Hello Ada", Name="Ada")
    project.take(TASK)

    assert 'greeting.py", line 10' in said
    expect(problem).to_be_hidden()


def test_a_web_process_that_starts_with_broken_code_serves_why_until_it_is_mended(
    page: Page, project: Project
):
    assert "cannot be loaded" in project.edit(BROKEN)
    [web] = project.running("wsgi.py")

    os.kill(web, signal.SIGKILL)
    wait_for(lambda: answers(f"{project.address}/code-problem"), PATIENCE / 1000)
    page.goto(project.address)
    expect(page.get_by_role("heading", name="The code cannot be loaded")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("name 'not_there' is not defined")
    project.take(TASK)

    expect(page.get_by_role("heading", name="Start something")).to_be_visible(timeout=PATIENCE)


def test_an_edited_task_is_started_and_runs_as_it_is_now(page: Page, project: Project):
    greet(page, project, "Hello Ada", Name="Ada")

    assert "edited" in project.edit(POLITE)

    greet(page, project, "Hello Dr Ada", Name="Ada", Title="Dr")


class Restarted:
    """A process of which this counts how often it restarts."""

    count = 0

    def restart(self) -> None:
        self.count += 1


class Loader:
    """A process that loads code, as soon as the test lets it."""

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.has_ended = asyncio.Event()

    async def communicate(self, _: bytes) -> tuple[None, bytes]:
        await self.has_ended.wait()
        return None, b""

    def end(self, code: int) -> None:
        self.returncode = code
        self.has_ended.set()

    def kill(self) -> None:
        self.end(-9)

    async def wait(self) -> None:
        await self.has_ended.wait()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_code_that_is_loaded_late_is_taken_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("ROOT", "WATCHED"):
        monkeypatch.setattr(code_watcher, name, tmp_path)
    for name in ("LOADING_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(code_watcher, name, 0.02)
    note = tmp_path / "note"
    child = Restarted()
    loaders: list[Loader] = []

    async def start_loader() -> Loader:
        loaders.append(Loader())
        return loaders[-1]

    async def edit() -> None:
        watching = asyncio.create_task(CodeWatcher(note, [child]).watch())  # type: ignore[list-item]
        await until(lambda: loaders)
        (tmp_path / "task.py").write_text("")
        await until(lambda: "not loaded after" in note.read_text())
        (tmp_path / "task.py").write_text("# again")  # what loads the code as it was is of no use
        await until(lambda: len(loaders) == 2)
        assert (loaders[0].returncode, child.count) == (-9, 0)
        loaders[1].end(0)
        await until(lambda: child.count)
        assert (child.count, note.read_text()) == (1, "")
        watching.cancel()

    monkeypatch.setattr(code_watcher, "start_loader", start_loader)
    with ThreadPoolExecutor(1) as thread:  # playwright's own loop runs in this one
        thread.submit(asyncio.run, edit()).result()

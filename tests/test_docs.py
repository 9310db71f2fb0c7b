"""The documents say what the code does: examples run, and every route, event, setting and make
target is named.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from app import create_app
from tests.documents import block, files_of, page
from tests.processes import ROOT, running, web, worker

RUNNING = "docs/running.md"
CARD = "document.querySelector('task-progress[task-id]')?"
README = (ROOT / "README.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which "Add a task of your own" of docs/running.md has been
    followed.
    """
    copy = tmp_path_factory.mktemp("followed") / "headway"
    unwanted = shutil.ignore_patterns(
        ".*", "node_modules", "bench", "docs", "__pycache__", "faults"
    )
    shutil.copytree(ROOT, copy, ignore=unwanted)
    if (types := ROOT / ".mypy_cache").exists():  # of `make check`, which spares much time
        shutil.copytree(types, copy / types.name)
    for file, text in files_of(RUNNING).items():
        (copy / file).write_text(f"# {file}\n{text}".replace("sleep(0.2)", "sleep(0.02)"))
    return copy


def test_the_own_task_is_at_once_on_the_page_that_started_it(
    followed: Path, env: dict[str, str], tmp_path: Path, browser: Browser
):
    [start] = re.findall(r"```js\n(.*?)```", page(RUNNING), re.DOTALL)

    with running(worker(tmp_path, env, "celery", root=followed)):
        process, address = web(tmp_path, env, root=followed)
        with running(process):
            opened = browser.new_page()
            opened.goto(address)
            expect(opened.locator("#connection")).to_have_text(re.compile("Live"))
            opened.evaluate(f"async () => {{ {start} }}")
            card = opened.locator("task-progress[task-id]")
            # looks at each frame: it may be there for less than two looks of an expectation
            opened.wait_for_function(f"() => {CARD}.textContent.includes('Reading')")
            expect(card).to_have_attribute("data-phase", "succeeded", timeout=30_000)
            task_id = card.get_attribute("task-id")
            end = opened.request.get(f"{address}/status/{task_id}").json()
            log = opened.request.get(f"{address}/tasks/{task_id}/log").json()
            opened.close()

    assert (end["title"], end["result"]) == ("Report for 2026-11", "100 rows in 2026-11")
    assert [line["text"] for line in log["lines"]] == ["all rows read"]


@pytest.mark.parametrize(
    "check",
    [
        "ruff check app",
        "ruff format --check app",
        "mypy app",
        "scripts.catalogues --check",
        "pytest tests/test_layers.py",
    ],
)
def test_the_project_passes_its_checks_with_that_task(followed: Path, check: str):
    command = [sys.executable, "-m", *check.split()]

    run = subprocess.run(command, cwd=followed, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


def test_no_test_takes_the_name_of_that_task():
    names = re.findall(r"@task.*\ndef (\w+)\(", files_of(RUNNING)["app/tasks/report.py"])
    files = {file: file.read_text() for file in (ROOT / "tests").rglob("*.py")}

    taken = [
        (file, name) for file, text in files.items() for name in names if f"def {name}(" in text
    ]

    assert names
    assert not taken, "Celery refuses a second task of one name"


def test_the_readmes_one_setting_makes_a_celery_app_live():
    from celery import Celery

    from headway.celery.backend import MAINTENANCE, LiveBackend

    [code] = [block for block in blocks("python") if block.startswith("celery = Celery(")]
    names: dict[str, Any] = {"Celery": Celery}
    exec(code, names)

    app = names["celery"]
    assert isinstance(app.backend, LiveBackend)
    assert MAINTENANCE in app.steps["worker"]


def test_the_readmes_extension_serves_an_owners_tasks(redis_url: str):
    import flask
    from celery import Celery

    from headway.celery.messages.sends import load_owner_by, nobody

    [code] = [block for block in blocks("python") if "Headway()" in block]
    app = flask.Flask("shop")
    app.secret_key = "a secret for the tests"
    app.post("/login")(lambda: flask.session.update(user_id="ada") or "")
    celery = Celery("shop", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False)
    exec(code, {"app": app, "celery": celery, "session": flask.session})
    load_owner_by(nobody)
    celery.backend.records.starts.create(
        owner="ada",
        message={"task": "add", "options": {"queue": "celery"}},
        title="Sum",
        max_attempts=1,
    )
    client = app.test_client()

    before = client.get("/headway/tasks").get_json()["tasks"]
    client.post("/login")
    after = client.get("/headway/tasks").get_json()["tasks"]

    assert (before, [task["title"] for task in after]) == ([], ["Sum"])


def test_an_operator_by_address_sees_the_schedules(env: dict[str, str]):
    names: dict[str, Any] = {"create_app": lambda changes: create_app({**env, **changes})}

    exec(block(RUNNING, "import flask"), names)

    visitor = names["app"].test_client()
    seen = [
        visitor.get("/schedules", environ_base={"REMOTE_ADDR": address}).status_code
        for address in ("127.0.0.1", "192.0.2.1")
    ]
    assert seen == [200, 404]


def test_every_route_and_event_is_in_the_protocol(env: dict[str, str]):
    app = create_app(env)
    routes = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"}
    events = set(app.extensions["headway"].manager.server.handlers["/"]) - {"connect", "disconnect"}

    for rule in routes:
        assert f" {rule.replace('<message_id>', '<id>')}" in PROTOCOL, rule
    assert events
    for event in events | {"snapshot", "log", "server"}:
        assert f"`{event}`" in PROTOCOL, event


def test_every_key_of_the_snapshot_is_in_the_protocol():
    from dataclasses import fields

    from headway.snapshot import Phase, Snapshot

    for name in [*(field.name for field in fields(Snapshot)), *Phase]:
        assert f"`{name}`" in PROTOCOL, name


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    documents = (
        README
        + page(RUNNING)
        + (ROOT / "CONTRIBUTING.md").read_text()
        + (ROOT / "CHANGELOG.md").read_text()
    )

    for target in set(re.findall(r"[`\n]make ([a-z-]+)", documents)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_between_documents_lead_somewhere():
    for document in [
        ROOT / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "CONTRIBUTING.md",
    ]:
        text = document.read_text()
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text) + re.findall(
            r'(?:src|srcset)="([^":]+)"', text
        ):
            assert target.startswith("/assets/") or (document.parent / target).exists(), (
                f"{document.name}: {target}"
            )


def test_the_articles_requests_are_answered_as_the_page_says(env: dict[str, str], tmp_path: Path):
    begin, look = re.findall(r"^\$ (curl .*)$", page(RUNNING), re.MULTILINE)
    [promised] = re.findall(r"^\{.*, \.\.\.\}$", page(RUNNING), re.MULTILINE)

    process, address = web(tmp_path, env)
    with running(process):

        def say(command: str) -> str:
            words = ["sh", "-c", command.replace("localhost:5000", address)]
            done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout

        started = say(begin)
        [path] = re.findall(r"^Location: (/status/\S+)$", started, re.MULTILINE)
        look = look.replace("/status/<task_id>", path)
        status = json.loads(say(look))
        stranger = json.loads(say(look.replace("-b jar ", "")))

    assert started.startswith("HTTP/1.1 202 ACCEPTED")
    assert set(re.findall(r'"(\w+)":', promised)) <= status.keys()
    assert status["task_id"] == path.rpartition("/")[2]
    assert status["state"] == "PENDING"  # no worker runs here
    assert stranger["error"]["code"] == "not_found"

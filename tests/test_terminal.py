"""`headway start`, `cancel`, `list` and `doctor`, and whose tasks they are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from headway.cli.groups import flask_headway
from headway.snapshot import Phase
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_hand import claim, shown
from tests.processes import free_port
from tests.terminal import TASK_ID, call, create, report, snapshots

PLAIN = ("-A", "tests.plain_celery:celery")
SECRET = "hunter2-marked"


@pytest.fixture
def project(redis_url: str) -> None:
    """What `-A tests.plain_celery` finds."""
    plain.use(redis_url)


@pytest.fixture
def flask(app: Flask) -> Any:
    """Calls `flask headway` for the reference application."""

    def call_flask(*words: str) -> Result:
        return CliRunner().invoke(
            flask_headway, words, obj=ScriptInfo(create_app=lambda: app), catch_exceptions=False
        )

    return call_flask


def sent(records: Records, queue: str = "celery") -> list[dict[str, Any]]:
    """Return the messages that wait in a queue."""
    return [json.loads(text) for text in records.client.lrange(queue, 0, -1)]


# Starting


@pytest.mark.parametrize(
    ("words", "kwargs"),
    [
        (("x=1", "y=2.5"), {"x": 1, "y": 2.5}),
        (("x=two words", 'y="2"'), {"x": "two words", "y": "2"}),
        (("x=", "y=a=b"), {"x": "", "y": "a=b"}),
        (("x=NaN", "y=null"), {"x": "NaN", "y": None}),
        (('x={"a": [1]}', "y=[" * 100_000), {"x": {"a": [1]}, "y": "[" + "y=[" * 99_999}),
    ],
)
def test_a_task_is_started_with_its_arguments(
    project: None, records: Records, words: tuple[str, ...], kwargs: dict[str, Any]
):
    result = call(*PLAIN, "start", "tests.plain_celery.add", *words)

    assert (result.exit_code, result.stderr) == (0, "")
    task_id = result.stdout.strip()
    snapshot = shown(records, task_id)
    assert (snapshot.phase, snapshot.title) == (Phase.QUEUED, "tests.plain_celery.add")
    [message] = sent(records)
    assert message["headers"]["id"] == task_id
    kept, _ = records.outbox.message(task_id)
    assert kept["kwargs"] == kwargs


def test_a_task_is_its_owners(project: None, records: Records):
    task_id = call(
        *PLAIN, "start", "tests.plain_celery.add", "x=1", "y=2", "--as", "ada"
    ).stdout.strip()

    listed = call(*PLAIN, "list", "--owner", "ada", "--json")

    assert [one["task_id"] for one in snapshots(listed)] == [task_id]
    assert [message["headers"]["headway_owner"] for message in sent(records)] == ["ada"]


def test_flask_starts_what_its_page_does(flask: Any, records: Records):
    result = flask("start", "send_async_email", "email=ada@example.com", "--as", "ada")

    assert (result.exit_code, result.stderr) == (0, "")
    snapshot = shown(records, result.stdout.strip())
    assert "ada@example.com" in snapshot.title
    assert len(sent(records, "mail")) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("tests.plain_celery.ad", "x=1"),
            "There is no task tests.plain_celery.ad. Did you mean tests.plain_celery.add",
        ),
        (("qqq",), "There is no task qqq. Known: "),
        (
            ("tests.plain_celery.add", "x=1"),
            "tests.plain_celery.add cannot take these arguments: y: Is missing.",
        ),
        (
            ("tests.plain_celery.add", "x=1", "y=2", "z=3"),
            "cannot take these arguments: z: No such argument.",
        ),
        (
            ("send_async_email", "email=ada@example.com"),
            "send_async_email cannot be started here: Working outside of",
        ),
        (("tests.plain_celery.add", "x"), "'x' is not of the form key=value."),
        (("tests.plain_celery.add", "x=1", "x=2"), "x is given twice."),
        (("tests.plain_celery.add", "x=\udce4"), "This is not UTF-8."),
        (("tests.plain_celery.add", "x=1", "y=2", "--as", "\udce4"), "This is not UTF-8."),
    ],
)
def test_what_cannot_be_started_is_said(
    project: None, records: Records, words: tuple[str, ...], said: str
):
    result = call(*PLAIN, "start", *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.splitlines()[-1]
    assert sent(records) == []


def test_a_task_needs_its_app_to_be_started(redis_url: str):
    result = call("--redis-url", redis_url, "start", "add")

    assert (result.exit_code, result.stderr) == (
        2,
        "Error: Starting a task needs its Celery app: name it with -A PROJECT.\n",
    )


# Cancelling


def test_a_task_is_cancelled(redis_url: str, records: Records):
    create(records)

    first = call("--redis-url", redis_url, "cancel", TASK_ID)
    again = call("--redis-url", redis_url, "cancel", TASK_ID)

    assert (first.exit_code, first.stdout) == (0, "cancelled\n")
    assert (again.exit_code, again.stderr) == (1, "Error: This task has ended already.\n")
    assert shown(records, TASK_ID).phase is Phase.CANCELLED


@pytest.mark.parametrize("task_id", [TASK_ID, "no such id"])
def test_an_unknown_task_is_not_cancelled(redis_url: str, task_id: str):
    result = call("--redis-url", redis_url, "cancel", task_id)

    assert (result.exit_code, result.stderr) == (
        4,
        f"Error: There is no task {task_id}, or it is kept no longer.\n",
    )


# Lists


@pytest.fixture
def three(records: Records) -> list[str]:
    """Ada's two tasks and one of nobody's, the newest first."""
    made = [f"{n}{TASK_ID[1:]}" for n in range(3)]
    create(records, made[0], owner="ada", title="First")
    create(records, made[1], title="Nobody's")
    claim(records, create(records, made[2], owner="ada", title="Last\x1b[2J"))
    report(records, task_id=made[2], current=1, total=4)
    return made[::-1]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ((), [0, 1, 2]),
        (("--limit", "1"), [0]),
        (("--owner", "ada"), [0, 2]),
        (("--owner", "ada", "--limit", "1"), [0]),
        (("--owner", "bob"), []),
        (("--phase", "queued"), [1, 2]),
        (("--phase", "queued", "--owner", "ada"), [2]),
        (("--phase", "queued", "--phase", "running"), [0, 1, 2]),
        (("--phase", "failed"), []),
    ],
)
def test_tasks_are_listed(
    redis_url: str, three: list[str], words: tuple[str, ...], places: list[int]
):
    result = call("--redis-url", redis_url, "list", *words, "--json")

    assert result.exit_code == 0
    assert [one["task_id"] for one in snapshots(result)] == [three[place] for place in places]


def test_a_list_is_a_line_for_each_task(redis_url: str, three: list[str]):
    lines = call("--redis-url", redis_url, "list").stdout.splitlines()

    assert [line.split()[0] for line in lines] == three
    assert lines[0].endswith("  running      25 %  Last [2J")
    assert lines[2].endswith("  queued             First")


# The doctor


def test_the_doctor_looks_at_redis(redis_url: str):
    result = call("--redis-url", redis_url, "doctor")

    assert result.exit_code == 0
    assert "✓ writes: tasks can be created" in result.stdout.splitlines()


def test_the_doctor_looks_at_the_celery_app_too(project: None):
    result = call(*PLAIN, "doctor")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].endswith("are live")
    assert "✓ writes: tasks can be created" in result.stdout.splitlines()


def test_the_doctor_looks_at_the_celery_app_of_a_flask_app(flask: Any):
    result = flask("doctor")

    assert result.exit_code == 0
    assert result.stdout.startswith("✓ tasks: ")


def test_the_doctor_says_what_does_not_work(redis_url: str, project: None):
    away = call("--redis-url", f"redis://:{SECRET}@127.0.0.1:{free_port()}/0", "doctor")
    stock = call("-A", "tests.plain_celery:stock", "doctor")

    assert (away.exit_code, stock.exit_code) == (1, 1)
    assert away.stdout.startswith("✗ connection: Redis does not answer")
    assert stock.stdout.startswith("✗ tasks: results go to RedisBackend")
    assert SECRET not in away.output


# Whose tasks


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (),
            "Say whose tasks: -A PROJECT names a Celery app, --redis-url (or "
            "HEADWAY_REDIS_URL) the Redis",
        ),
        (
            ("-A", "no_such_project"),
            "The Celery app no_such_project cannot be loaded: ModuleNotFoundError",
        ),
        (("-A", "tests.plain_celery:nothing"), "cannot be loaded: ModuleNotFoundError"),
        (
            ("-A", "tests.flask_shop:home"),
            "tests.flask_shop:home is no Celery app but function: name it as MODULE:NAME.",
        ),
        (("-A", "tests.plain_celery:stock"), "set result_backend to headway+redis://"),
        (("--redis-url", f"redis://:{SECRET}@here/first"), "must end with a database's number"),
        (("--redis-url", f"amqp://ops:{SECRET}@here"), "must begin with redis://"),
    ],
)
def test_what_is_wrong_with_the_project_is_one_line(
    redis_url: str, words: tuple[str, ...], said: str
):
    result = call(*words, "list")

    assert (result.exit_code, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert SECRET not in line


def test_a_project_that_ends_as_it_is_loaded_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "without_settings.py").write_text("raise SystemExit('no settings')")
    monkeypatch.syspath_prepend(tmp_path)

    result = call("-A", "without_settings", "list")

    assert (result.exit_code, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: The Celery app without_settings cannot be loaded: SystemExit")


def test_a_flask_app_without_headway_is_one_line():
    result = CliRunner().invoke(
        flask_headway, ["list"], obj=ScriptInfo(create_app=lambda: Flask("shop"))
    )

    assert (result.exit_code, result.stderr) == (
        2,
        "Error: The Flask app shop has no Headway: add headway.init_app(app, celery=celery).\n",
    )


@pytest.mark.parametrize(
    "words", [("watch", TASK_ID), ("cancel", TASK_ID), ("list",), ("list", "--owner", "ada")]
)
def test_a_redis_that_is_away_is_one_line(words: tuple[str, ...]):
    url = f"redis://:{SECRET}@127.0.0.1:{free_port()}/0"

    result = call(*words, HEADWAY_REDIS_URL=url)

    assert (result.exit_code, result.stdout) == (5, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: Redis does not answer: ")
    assert SECRET not in line


def test_a_start_is_refused_while_redis_is_away(monkeypatch: pytest.MonkeyPatch):
    url = f"redis://127.0.0.1:{free_port()}/0"
    away = Celery("away", broker=url, backend=f"headway+{url}", set_as_current=False)
    away.task(plain.add.run, name="add", shared=False)
    monkeypatch.setattr(plain, "away", away, raising=False)

    result = call("-A", "tests.plain_celery:away", "start", "add", "x=1", "y=2")

    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("Error: Redis does not answer: ")


@pytest.mark.parametrize(
    "words", [(), ("watch", "--help"), ("start", "--help"), ("-A", "no_such_project", "list", "-h")]
)
def test_help_needs_no_project(words: tuple[str, ...]):
    result = call(*words)

    assert "Usage: headway" in result.output
    assert "Error" not in result.output

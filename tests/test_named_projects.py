"""Which Celery app `-A` finds in a module whose `app` is a Flask app; the README's own commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from headway.cli.project import load_celery
from headway.exceptions import ConfigError
from tests.documents import Followed, block, page
from tests.processes import ROOT, Valkey, answers, free_port

SECRET = "5f2c81e09ab7d364"
BEGINNING = """
from celery import Celery
from flask import Flask

def made(name):
    return Celery(name, broker="memory://", backend="cache+memory://", set_as_current=False)

app = Flask(__name__)
"""


def module(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """Return the name of a new module with this text after a Flask app."""
    name = f"project_{abs(hash(text))}"
    (folder / f"{name}.py").write_text(BEGINNING + text)
    monkeypatch.syspath_prepend(folder)
    return name


@pytest.mark.parametrize(
    "text",
    [
        "celery = made('its own'); other = made('other')",
        "queue = again = made('its own')",
        "app.extensions['celery'] = made('its own')",
        "one, two = made('its own'), made('other'); app.extensions['celery'] = one",
    ],
)
def test_beside_a_flask_app_the_celery_app_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
):
    name = module(tmp_path, monkeypatch, text)

    assert load_celery(name).main == "its own"


@pytest.mark.parametrize("text", ["one, two = made('one'), made('two')", ""])
def test_what_is_not_clear_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str):
    name = module(tmp_path, monkeypatch, text)

    with pytest.raises(ConfigError, match="is no Celery app but Flask: name it as MODULE:NAME"):
        load_celery(name)


def test_a_module_without_a_celery_app_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = module(tmp_path, monkeypatch, "del app")

    with pytest.raises(ConfigError, match=rf"{name} has no Celery app.*flask --app {name} headway"):
        load_celery(name)


def test_an_error_of_the_module_itself_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = module(tmp_path, monkeypatch, "made.gone")

    with pytest.raises(ConfigError, match=r"cannot be loaded: AttributeError: .*'gone'"):
        load_celery(name)


INCLUDING = """
import os
from celery import Celery

url = os.environ["REDIS_URL"]
celery = Celery("shop", broker=url, backend=f"headway+{url}", include=["orders"])
"""
INCLUDED = """
from including import celery

@celery.task
def order(): ...
"""


def test_both_commands_count_the_tasks_that_a_worker_imports(tmp_path: Path, redis_url: str):
    (tmp_path / "including.py").write_text(INCLUDING)
    (tmp_path / "orders.py").write_text(INCLUDED)
    env = os.environ | {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}

    for words in ("celery -A including headway", "headway -A including doctor"):
        command = [sys.executable, "-m", *words.split()]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert "✓ tasks: 1 are live" in done.stdout, (words, done.stderr)


@pytest.fixture(scope="module")
def reader(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed("README.md", tmp_path_factory.mktemp("readme"), valkey)


def test_the_readmes_project_is_named_to_both_commands_as_the_readme_names_it(reader: Followed):
    [by_celery] = re.findall(r"`(celery -A \S+ headway)`", page("README.md"))

    # The last is the one that Headway was given for the Flask app.
    for command in (by_celery, "headway -A shop doctor", "headway -A shop:app doctor"):
        assert "✓ tasks: 1 are live" in reader.say(command), command


def test_the_readmes_project_is_served(reader: Followed, valkey: Valkey):
    command = block("docs/serve.md", "headway serve")
    assert command == block("README.md", "headway serve")
    port = str(free_port())
    said = block("docs/serve.md", "Headway serves").replace("5001", port)

    with ExitStack() as stack:
        served = reader.start(stack, command.replace("5001", port), HEADWAY_SECRET_KEY=SECRET)
        served.wait_until(lambda: answers(f"http://127.0.0.1:{port}/headway/readyz"))

    assert said.replace("localhost:6379", f"127.0.0.1:{valkey.port}") in served.output()

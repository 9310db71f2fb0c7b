"""Which Celery app `-A` finds in a module whose `app` is a Flask app; the README's own commands."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from headway.cli.project import load_celery
from headway.exceptions import ConfigError
from tests.documents import Followed, block, page
from tests.processes import Valkey, answers, free_port

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

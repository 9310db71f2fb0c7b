"""docs/reference.md is what the code says, and each setting that is read is defined once."""

from __future__ import annotations

import re
import runpy

from app import settings as application
from headway import progress, settings
from tests.processes import ROOT

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
PAGE = (ROOT / "docs" / "reference.md").read_text()
OF_PROCESSES = {"PYTHONUNBUFFERED", "TERM", "HEADWAY_LISTEN_FD", "FLASK_DEBUG"}


def sources(*folders: str) -> str:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return "\n".join(path.read_text() for path in paths if path.name != "settings.py")


def test_the_document_is_what_the_code_says():
    assert SCRIPT["document"]() == PAGE  # else: make docs


def test_each_function_of_progress_stands_there():
    described = set(re.findall(r"^\*\*`progress\.(\w+)\(", PAGE, re.MULTILINE))

    assert described == set(progress.__all__) - {"saved"}


def test_each_setting_stands_there_once():
    names = [each.name for each in (*settings.FLASK, *settings.CELERY, *application.SETTINGS)]

    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert rows == names
    assert len(set(names)) == len(names)


def test_each_setting_that_is_read_is_one():
    app = sources("app")
    library = sources("headway")
    read = set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", app)) - OF_PROCESSES
    in_celery = set(re.findall(r"conf(?:\.get\(|\[)\"(headway_\w+)\"", app + library))
    in_flask = set(re.findall(r"config(?:\.get\(|\[)\"(HEADWAY_\w+)\"", app + library))

    assert read <= {each.name for each in application.SETTINGS}
    assert in_celery == set()  # they are read by Setting.read
    decorated = {"HEADWAY_OWNER_LOADER", "HEADWAY_VISIBLE"}
    assert in_flask - decorated <= {each.name for each in settings.FLASK}

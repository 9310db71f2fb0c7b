"""The canary: what `docs/seams.md` lists of other libraries is as it was, and all is listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.foreign import Source, Use, sources, uses
from tests.seam_forms import FORMS
from tests.seams import PAGE, WITHOUT_ROW, Part, Row, out_of_date, rows, unlisted

ROWS = rows(PAGE.read_text())
PATHS = [part for row in ROWS for part in row.parts if part.is_path]
NAMES = [part.text for row in ROWS for part in row.parts if not part.is_path]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.mark.parametrize("part", PATHS, ids=lambda part: part.text.partition("(")[0])
def test_a_part_of_another_library_is_what_it_was(part: Part):
    part.check()


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_what_it_was_and_its_check_sees_another(name: str, client: redis.Redis):
    form = FORMS[name](client)

    form.check(form.real)

    with pytest.raises((AssertionError, LookupError, AttributeError, TypeError)):
        form.check(form.changed)


def test_each_form_of_the_page_has_a_check_and_each_check_a_row():
    assert sorted(NAMES) == sorted(FORMS)


def test_the_page_says_what_the_code_does():
    assert list(out_of_date(ROWS)) == []


def test_what_the_code_uses_stands_on_the_page():
    assert unlisted(uses(sources()), ROWS) == []


# The canary itself: what it would say of another version, of another page, of other code


class Library:
    """Stands for another library in a version that has changed."""

    LIMIT = 4

    def __init__(self) -> None:
        self._socket = None

    def send(self, packet: Any, wait: bool = True) -> None:
        self._write(packet)

    def _write(self, packet: Any) -> None:
        """Nothing is written."""


HERE = f"{__name__}.Library"


@pytest.mark.parametrize(
    ("text", "callers"),
    [
        (f"{HERE}.LIMIT = 4", []),
        (f"{HERE}._socket", []),
        (f"{HERE}.send(packet, wait=True)", []),
        (f"{HERE}._write(packet)", [f"{HERE}.send"]),
    ],
)
def test_what_is_as_it_was_passes(text: str, callers: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.foreign.LIBRARIES", ("tests",))

    Part(text, callers).check()


@pytest.mark.parametrize(
    ("text", "callers", "says"),
    [
        (f"{HERE}.gone", [], "gone is no more"),
        (f"{HERE}.gone(packet)", [], "gone is no more"),
        (f"{HERE}.LIMIT = 5", [], "is 4, and was 5"),
        (f"{HERE}.send(packet)", [], r"takes \(packet, wait=True\), and took \(packet\)"),
        (f"{HERE}.send(data, wait=True)", [], "takes"),
        (f"{HERE}.send(packet, wait=False)", [], "takes"),
        (f"{HERE}._write(packet)", [f"{HERE}._write"], "does not use _write any more"),
        (f"{HERE}._write(packet)", [f"{HERE}.flush"], "flush is no more"),
        (f"{__name__}.Gone.send", [], "Gone is no more"),
        ("no_such_library.send", [], "no_such_library is no more"),
        (f"{HERE}.send(?) or so", [], "is neither"),
    ],
)
def test_what_has_changed_is_named(text: str, callers: list[str], says: str):
    with pytest.raises(AssertionError, match=says):
        Part(text, callers).check()


@pytest.mark.parametrize(
    "line",
    [
        "| `a.b` | `wsgi.py` | for | breaks |",
        "| `a.b` | `wsgi.py` | for |  | `tests` |",
        "| `a.b`, called by nobody | `wsgi.py` | for | breaks | `tests` |",
    ],
)
def test_a_row_that_lacks_something_is_refused(line: str):
    with pytest.raises(AssertionError, match=r"docs/seams\.md"):
        rows(line)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Row([Part("celery.no_such_name", [])], ["wsgi.py"], "", "", []), "no_such_name"),
        (
            Row([Part("celery.monkey_patch", [])], ["wsgi.py", "worker.py"], "", "", []),
            "worker.py names nothing",
        ),
        (
            Row([Part("celery.monkey_patch", [])], ["wsgi.py"], "", "", ["tests/test_gone.py"]),
            "there is no tests/test_gone",
        ),
    ],
)
def test_a_row_that_is_out_of_date_is_named(row: Row, says: str):
    assert says in " ".join(out_of_date([row]))


CODE = {
    "connection._buffers": "_buffers",
    "getattr(connection, '_buffers')": "_buffers",
    "connection.__dict__.pop('send')": "send",
    "from celery._state import set_default_app": "set_default_app",
    "from celery.worker import loops\nloops.asynloop": "asynloop",
    "from celery.worker.request import Request": "Request",
    "import socketio\nsocketio.Server.reason = None": "reason",
    "from kombu import transport\ntransport.TRANSPORT_ALIASES['x'] = ''": "TRANSPORT_ALIASES",
    "from kombu import transport\ntransport.TRANSPORT_ALIASES.update(x='')": "TRANSPORT_ALIASES",
    "import smtplib\nclass Mine(smtplib.SMTP):\n  def rset(self): pass": "rset",
    "import smtplib\nclass Mine(smtplib.SMTP):\n  debuglevel = 1": "debuglevel",
    "import smtplib\nclass Mine(smtplib.SMTP):\n  def quit_soon(self): self._host": "_host",
    "import smtplib\nclass Mine(smtplib.SMTP):\n  def quit_soon(self): self._host = 1": "_host",
    "import smtplib\nclass A(smtplib.SMTP): pass\nclass B(A):\n  def rset(self): pass": "rset",
    "class Mixin:\n  def send(self): super().send()": "send",
    "class Mixin:\n  def send(self): self._connect()": "_connect",
}


@pytest.mark.parametrize("code", CODE)
def test_code_that_uses_a_part_without_a_row_is_named(code: str):
    used = uses([Source("headway/new.py", code)])

    assert Use("headway/new.py", CODE[code]) in used
    assert WITHOUT_ROW.format(use=Use("headway/new.py", CODE[code])) in unlisted(used, ROWS)


@pytest.mark.parametrize(
    "code",
    [
        "class Own:\n  def __init__(self): self._n = 0\n  def add(self, other): return other._n",
        "class A:\n  def run(self): pass\nclass B(A):\n  def run(self): super().run()",
        "import smtplib\nclass Mine(smtplib.SMTP):\n  def hurry(self): self._seconds = 1",
        "from flask import session\nsession.permanent = True",
        "from celery.exceptions import Retry\nfrom celery import Celery\nCelery('x').conf",
        "point._replace(x=1)",
    ],
)
def test_code_that_keeps_to_what_is_promised_passes(code: str):
    assert uses([Source("headway/new.py", code)]) == set()

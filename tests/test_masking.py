"""Secrets of the settings in whatever a library may make of them: nowhere told, and nothing
else touched.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import quopri
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from celery import Celery

from app import config
from headway import masking
from headway.exceptions import ConfigError
from headway.store.model import Delivery
from headway.store.records import Records
from tests.bodies import live_celery

SECRETS = [
    "pässwort€",
    "correct horse/battery",
    'it\'s\\n"quoted"&<b>',
    "plain-secret-1234",
    "密码密码密码",
]
FORMS: dict[str, Callable[[str], str]] = {
    "clear": str,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "json": json.dumps,
    "json within json": lambda text: json.dumps(json.dumps({"a": text})),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "auth plain": lambda text: base64.b64encode(f"\0somebody\0{text}".encode()).decode(),
    "http basic": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(f"ab{text}".encode()).decode(),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "url": quote,
    "url, all": lambda text: quote(text, safe=""),
    "url, lower case": lambda text: re.sub(
        "%..", lambda code: code[0].lower(), quote(text, safe="")
    ),
    "form": quote_plus,
    "html": html.escape,
    "hex": lambda text: text.encode().hex(),
    "hex, upper case": lambda text: text.encode().hex().upper(),
}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    masking.set_secrets("test", [])


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_is_told(secret: str, form: str):
    masking.set_secrets("test", [secret])
    told = FORMS[form](secret)

    text = masking.mask(f"before {told} after")

    assert text != f"before {told} after"
    assert masking.holds_secret(told)
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert not any(part in text for part in (secret, base64.b64encode(secret.encode()).decode()))
    for rest in ("ssw", "horse", "quoted", "1234"):
        assert rest not in text


def test_what_is_no_secret_any_more_is_told():
    masking.set_secrets("test", ["one secret"])
    masking.set_secrets("test", ["another secret"])

    assert masking.mask("one secret, another secret") == "one secret, ***"


class App:
    """Holds secrets."""


def test_each_app_keeps_its_own_secrets_as_long_as_it_lives():
    first = App()
    second = App()
    masking.set_secrets("test", ["one secret"], first)
    masking.set_secrets("test", ["another secret"], second)

    assert masking.mask("one secret, another secret") == "***, ***"

    del first
    masking.set_secrets("test", [])
    assert masking.mask("one secret, another secret") == "one secret, ***"


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_what_is_part_of_any_word_is_left(secret: str):
    masking.set_secrets("test", [secret])

    assert masking.mask("abc a") == "abc a"


def test_values_keep_their_shape():
    masking.set_secrets("test", ["hunter22"])

    value = {
        "a hunter22": ["x", ("hunter22", 5, None, True)],
        "n": 1.5,
        "e": ValueError("hunter22"),
    }

    assert masking.masked(value) == {"a ***": ["x", ["***", 5, None, True]], "n": 1.5, "e": "***"}


@dataclass
class Account:
    url: str


@pytest.mark.parametrize(
    "value",
    [
        b"redis://ops:another@db/0",
        bytearray(b"redis://ops:another@db/0"),
        deque(["redis://ops:another@db/0"]),
        {"a": "redis://ops:another@db/0"}.values(),
        Account("redis://ops:another@db/0"),
        OSError("redis://ops:another@db/0"),
        b"hwt_another.token",
        Path("/tmp/hwt_another.token"),
        [{"at": (b"hwt_another.token",)}],
    ],
    ids=repr,
)
def test_in_a_value_of_any_type_urls_and_tokens_are_masked(value: Any):
    shown = str(masking.masked(value))

    assert "another" not in shown
    assert "***" in shown


def test_masking_costs_linear_time():
    masking.set_secrets("test", SECRETS)
    began = time.thread_time()

    masking.mask("pässwort" * 500_000 + "://" * 100_000)
    masking.mask("password=" * 100_000 + "'password': '" * 100_000 + "password=)" + ")" * 500_000)
    masking.mask("%3A%2F%2F" * 100_000 + "Authorization: Basic " * 100_000)

    assert time.thread_time() - began < 2.0


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("redis://:hunter22@db/0", "hunter22"),
        ("redis://ops:p%40ss%2Fword@db:6379/0", "p@ss/word"),
        ("redis://ops:p@ss@db:6379/0", "p@ss"),
        ("redis://a/0;rediss://ops:second-one@db/0", "second-one"),
        ("amqp://ops:p%C3%A4ssw@db//", "pässw"),
    ],
)
def test_the_password_of_a_url_is_found(url: str, password: str):
    assert password in masking.passwords_in(url)


def test_a_url_without_a_password_has_none():
    assert (
        masking.passwords_in("redis://ops@db/0")
        == masking.passwords_in("redis://db:6379/0")
        == masking.passwords_in("")
        == []
    )


def test_the_settings_secrets_are_known_from_the_start():
    environ = {
        "REDIS_URL": "redis://ops:redis-secret@127.0.0.1/0",
        "CELERY_BROKER_URL": "amqp://ops:broker%20secret@127.0.0.1//",
        "MAIL_PASSWORD": "mail-secret",
        "SECRET_KEY": "key-secret",
        "SECRET_KEY_FALLBACKS": "older-secret oldest-secret",
        "PORT": "wrong",  # what comes after is as secret
    }
    try:
        with pytest.raises(ConfigError):
            config.load(environ)

        words = "redis-secret, broker secret, mail-secret, key-secret, older-secret, oldest-secret"
        assert masking.mask(words) == "***, ***, ***, ***, ***, ***"
    finally:
        config.load({"REDIS_URL": "redis://127.0.0.1/0", "SECRET_KEY": "dev"})
    assert masking.mask("key-secret dev") == "key-secret dev"


# What is logged


def test_a_log_line_and_its_traceback_are_masked(capsys: pytest.CaptureFixture[str]):
    masking.set_secrets("test", ["pässwort€"])
    logger = logging.getLogger("masked")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(masking.MaskedRecord)
    try:
        raise UnicodeEncodeError("ascii", "\0ops\0pässwort€", 6, 7, "no")
    except UnicodeEncodeError as error:
        logger.exception("%r of %s", error, {"secret": "pässwort€"})
    finally:
        logging.setLogRecordFactory(before)
        logger.removeHandler(handler)

    said = capsys.readouterr().err
    assert "ssw" not in said
    assert "***" in said
    assert "Traceback (most recent call last)" in said
    # the message, and in the traceback its source line and its last
    assert said.count("UnicodeEncodeError") == 3


def test_what_nobody_catches_is_masked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    masking.set_secrets("test", ["pässwort€"])
    for module, name in ((masking.sys, "excepthook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    before = logging.getLogRecordFactory()
    masking.guard_process()
    logging.setLogRecordFactory(before)

    def fail() -> None:
        raise ValueError("pässwort€")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    masking.sys.excepthook(KeyError, KeyError("pässwort€"), None)

    said = capsys.readouterr().err
    assert "ssw" not in said
    assert "ValueError: ***" in said
    assert "KeyError: '***'" in said


# What is stored


@pytest.fixture
def celery(redis_url: str) -> Celery:
    app = Celery(
        "masked",
        backend=f"headway.celery.backend.LiveBackend+{redis_url}",
        task_cls="headway.celery.task:LiveTask",
    )
    app.conf.update(task_always_eager=True, task_store_eager_result=True)
    return app


def everything(records: Records) -> str:
    """Return all that lies in Redis, as text."""
    client = records.client
    read: dict[str, Callable[[Any], Any]] = {
        "none": str,  # it has expired meanwhile
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
    }
    return "\n".join(f"{key}: {read[client.type(key)](key)}" for key in client.keys("*"))


LARGE = ["x" * 100, "pässwort€"] * 200


@pytest.mark.parametrize(
    "value",
    [
        "said pässwort€",
        {"status": "pässwort€", "result": ["pässwort€"]},
        {"pässwort€": ("pässwort€",)},
        LARGE,
    ],
    ids=["text", "article", "keys", "large"],
)
def test_a_result_is_stored_masked(celery: Celery, records: Records, value: Any):
    masking.set_secrets("test", ["pässwort€"])

    @celery.task(shared=False)
    def says() -> Any:
        return value

    task_id = says.delay().id

    [stored] = records.read([task_id])
    assert "SUCCESS" in stored.snapshot
    kept = everything(records)
    assert "***" in kept
    assert "ssw" not in kept


@pytest.mark.parametrize(
    "error",
    [
        UnicodeEncodeError("ascii", "\0ops\0pässwort€", 6, 7, "ordinal not in range"),
        ValueError("no", {"password": "pässwort€"}),
        OSError(5, "redis://ops:p%C3%A4sswort%E2%82%AC@db/0"),
        KeyError(base64.b64encode("\0ops\0pässwort€".encode()).decode()),
    ],
    ids=repr,
)
def test_an_error_is_stored_masked_with_its_traceback(
    celery: Celery, records: Records, error: Exception
):
    masking.set_secrets("test", ["pässwort€"])

    @celery.task(shared=False)
    def raises() -> None:
        raise error

    task_id = raises.delay().id

    [stored] = records.read([task_id])
    assert "FAILURE" in stored.snapshot
    kept = everything(records)
    assert "Traceback" in kept
    assert not any(form in kept for form in masking.forms("pässwort€", "ops"))


def test_reports_and_log_lines_are_stored_masked(celery: Celery, records: Records):
    masking.set_secrets("test", ["pässwort€"])
    celery.backend.store_result("a", {"current": 1, "total": 2, "status": "pässwort€"}, "PROGRESS")

    records.output.log("a", Delivery(), [("info", "with pässwort€")])

    kept = everything(records)
    assert kept.count("***") >= 2
    assert "ssw" not in kept


@pytest.mark.parametrize("serializer", ["json", "pickle"])
@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "PROGRESS"])
def test_what_celery_stores_is_masked_where_it_is_compressed_too(
    redis_url: str, records: Records, state: str, serializer: str
):
    masking.set_secrets("test", ["hunter2-very-secret"])
    app = live_celery(redis_url)
    app.conf.update(
        result_compression="zlib", result_serializer=serializer, accept_content=["json", "pickle"]
    )
    told = "refused by hunter2-very-secret"
    values = {"SUCCESS": told, "FAILURE": OSError(told), "PROGRESS": {"status": told}}

    app.backend.store_result("a", values[state], state, traceback=f"Traceback {told}")

    stored = app.backend.decode(app.backend.get("celery-task-meta-a"))
    assert "refused by ***" in repr(stored)
    shown = shown_text(records, "a")
    assert "hunter2" not in repr(stored) + shown
    masking.set_secrets("test", [])
    app.close()


def shown_text(records: Records, task_id: str) -> str:
    [stored] = records.read([task_id])
    assert stored is not None
    return stored.snapshot

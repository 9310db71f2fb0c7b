"""What a card says of an error: for each kind of it the type and the words, no password, and no
more than a line.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Reject, Retry, SoftTimeLimitExceeded, WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper, get_pickleable_exception
from kombu.exceptions import EncodeError

from headway.celery.error_text import ASYNC, error_of, original_of
from headway.snapshot import MAX_TEXT, error_line, one_line


class TwoArgs(Exception):
    """Cannot be pickled: it is made of two arguments and has one."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.code})"


class Code(Exception):
    def __str__(self) -> str:
        return self.args[0]  # no text


class Raises(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Unspeakable(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no arguments")

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Refuses:
    def __str__(self) -> str:
        raise RuntimeError("no words")


CELERYS = {"exc_type": "ValueError", "exc_message": ["disk full"], "exc_module": "builtins"}


def test_an_async_function_is_told_what_to_do():
    error = EncodeError(TypeError("Object of type coroutine is not JSON serializable"))

    assert error_of(error) == {"type": "EncodeError", "message": ASYNC}


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("a"), "KeyError: 'a'"),
        (KeyError(""), "KeyError: ''"),
        (ValueError(), "ValueError"),
        (ValueError("late"), "ValueError: late"),
    ],
)
def test_a_line_names_the_type_once(error: Exception, line: str):
    assert error_line(error_of(error)) == line


@pytest.mark.parametrize(
    ("error", "name", "words"),
    [
        (ValueError("disk full"), "ValueError", "disk full"),
        (ValueError("no such bucket", 404), "ValueError", "no such bucket, 404"),
        (ValueError(), "ValueError", "ValueError"),
        (ValueError(""), "ValueError", "ValueError"),
        (ValueError(" \n "), "ValueError", "ValueError"),
        (ValueError(404), "ValueError", "ValueError: 404"),
        (ValueError(["a", "b"]), "ValueError", "['a', 'b']"),
        (ValueError(b"bytes"), "ValueError", "b'bytes'"),
        (ValueError(Refuses(), "and a text"), "ValueError", "and a text"),
        (KeyError("customer_id"), "KeyError", "KeyError: 'customer_id'"),
        (KeyError(), "KeyError", "KeyError"),
        (OSError(28, "No space left on device"), "OSError", "[Errno 28] No space left on device"),
        (Code(404), "Code", "Code: 404"),
        (Code("gone", 410), "Code", "gone"),
        (Raises("a reason", 7), "Raises", "a reason, 7"),
        (Raises(), "Raises", "Raises"),
        (Unspeakable(), "Unspeakable", "Unspeakable"),
        (StopIteration(5), "StopIteration", "StopIteration: 5"),
        (
            ExceptionGroup("two of three failed", [ValueError("a"), KeyError("b")]),
            "ExceptionGroup",
            "two of three failed: ValueError: a; KeyError: 'b'",
        ),
        (
            BaseExceptionGroup("stopped", [KeyboardInterrupt(), SystemExit(2)]),
            "BaseExceptionGroup",
            "stopped: KeyboardInterrupt; SystemExit: 2",
        ),
        (
            ExceptionGroup("all failed", [ExceptionGroup("some", [ValueError("a")])] * 9),
            "ExceptionGroup",
            "all failed: " + "; ".join(["ExceptionGroup: some: ValueError: a"] * 5),
        ),
        (
            UnpickleableExceptionWrapper("m", "TwoArgs", ("no such bucket",), "TwoArgs()"),
            "TwoArgs",
            "no such bucket",
        ),
        (Retry(), "Retry", "The task asked to run again."),
        (Reject("not ours", requeue=False), "Reject", "not ours"),
        (Reject(ValueError("a")), "Reject", "a"),
        (Reject(), "Reject", "The task rejected its message."),
        (Retry(message="not yet"), "Retry", "not yet"),
        (WorkerLostError("Worker exited: 9"), "WorkerLost", "Worker exited: 9"),
        (SoftTimeLimitExceeded(), "TimeLimitExceeded", "The task ran over its time limit."),
        (CELERYS, "ValueError", "disk full"),
        (CELERYS | {"exc_message": "disk full"}, "ValueError", "disk full"),
        (CELERYS | {"exc_message": ("disk", "full")}, "ValueError", "disk, full"),
        (CELERYS | {"exc_message": []}, "ValueError", "ValueError"),
        (CELERYS | {"exc_type": "Outer.Inner"}, "Inner", "disk full"),
        (CELERYS | {"exc_type": "KeyError", "exc_message": ["a"]}, "KeyError", "KeyError: 'a'"),
        (
            CELERYS | {"exc_type": "TimeLimitExceeded"},
            "TimeLimitExceeded",
            "The task ran over its time limit and was ended.",
        ),
        ({"exc_type": None, "exc_message": None}, "None", "None"),
        ({"status": "disk full", "current": 3}, "Failure", "disk full"),
        ({"message": "disk full"}, "Failure", "disk full"),
        ({"rows": "none"}, "Failure", "{'rows': 'none'}"),
        ("disk full", "Failure", "disk full"),
        (42, "Failure", "Failure: 42"),
        (None, "Failure", "Failure"),
        (Refuses(), "Failure", "Failure"),
        (["disk", "full"], "Failure", "['disk', 'full']"),
    ],
)
def test_an_error_has_its_type_and_its_words(error: Any, name: str, words: str):
    assert error_of(error) == {"type": name, "message": words}


@pytest.mark.parametrize("raised", [TwoArgs("no such bucket", 404), Raises("a reason"), Code(7)])
def test_what_celery_makes_of_an_exception_keeps_the_words_of_the_one_that_was_raised(
    raised: Exception,
):
    try:
        raise raised
    except Exception as error:
        made = get_pickleable_exception(error)
        assert original_of(made, sys.exc_info()[1]) is raised


def test_an_error_that_is_handled_meanwhile_is_no_other_errors_original():
    for handled in (ValueError("another"), TwoArgs("another", 1), None):
        told = ValueError("this one")
        assert original_of(told, handled) is told
        assert original_of({"exc_type": "ValueError"}, handled) == {"exc_type": "ValueError"}


def test_a_retry_without_a_cause_tells_what_was_handled_when_it_was_raised():
    def retry(**options: Any) -> BaseException:
        try:
            try:
                raise ConnectionError("refused")
            except ConnectionError:
                raise Retry(**options)  # noqa: B904  # as a task does
        except Retry as error:
            return error

    assert error_of(original_of(None, retry()))["message"] == "refused"
    assert error_of(original_of(None, retry(message="not yet")))["message"] == "not yet"
    assert error_of(original_of(None, Retry())) == {
        "type": "Retry",
        "message": "The task asked to run again.",
    }
    assert error_of(original_of(None, retry(exc="a text")))["message"] == "a text"


def test_an_eager_run_stores_the_words_of_what_was_raised(redis_url: str):
    app = Celery(
        "eager",
        backend=f"headway.celery.backend.LiveBackend+{redis_url}",
        task_cls="headway.celery.task:LiveTask",
    )
    app.conf.update(task_always_eager=True, task_store_eager_result=True)

    @app.task(name="raises")
    def raises() -> None:
        raise TwoArgs("no such bucket", 404)

    task_id = raises.delay().id

    [stored] = app.backend.records.read([task_id])
    assert '"error":{"type":"TwoArgs","message":"no such bucket (404)"}' in stored.snapshot


def test_an_error_says_no_password_and_stays_one_line():
    error = error_of(OSError("no\nhost amqp://me:hunter2@mq:5672/ " + "x" * 1000))

    assert error["type"] == "OSError"
    assert error["message"].startswith("no host amqp://***@mq")
    assert len(error["message"]) == MAX_TEXT


@pytest.mark.parametrize(
    "before", ["", "x ", "a1" * 247, "y" * (MAX_TEXT - 20), "z" * (MAX_TEXT - 2)]
)
@pytest.mark.parametrize(
    "url", ["redis://:{}@db/0", "https://me:{}@host/path", "a+b://{}@h", "amqp://u:{}@mq//"]
)
@pytest.mark.parametrize(
    "password", ["hunter2", "p@hunter2", "hunter2" * 100, "hunter2:x@y@z", "hunter2?#[]"]
)
def test_no_password_of_a_url_is_told_wherever_the_text_is_cut(
    before: str, url: str, password: str
):
    message = error_of(ValueError(f"{before} {url.format(password)} and more"))["message"]

    assert "hunter" not in message
    assert len(message) <= MAX_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "duplicate key: " + "a1" * 40_000,
        "://" * 40_000,
        "a://" + "b" * 120_000,
        "a://b" * 20_000,
        "@" * 100_000,
        "://" + "@" * 100_000 + " x",
        " \n" * 2_000_000 + "x",
        "word " * 1_000_000,
    ],
    ids=["long word", "separators", "long host", "many", "at", "at after", "spaces", "words"],
)
def test_an_errors_words_cost_linear_time(text: str):
    began = time.thread_time()  # of this thread alone: a busy machine does not count

    message = error_of(ValueError(text))["message"]

    assert time.thread_time() - began < 2.0
    assert len(message) <= MAX_TEXT


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n\tb", "a b"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 499 + "…"),
        (" " * 20_000 + "x", "x"),
        ("x" + " " * 20_000 + "y", "x…"),
        ("x" + " " * 20_000, "x"),
        ("", ""),
    ],
)
def test_one_line_shows_where_it_was_cut(text: str, line: str):
    assert one_line(text) == line

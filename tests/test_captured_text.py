"""What a task prints goes into its log by one call, and into no other task's."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator

import pytest
import tqdm
from celery import Celery
from celery.utils.log import LoggingProxy

from headway import progress
from headway.capture.logs import RunLogHandler
from headway.celery.run import runs
from headway.celery.run.log_lines import MAX_LINES
from headway.store.output import LOG_LINES
from headway.store.records import Records
from tests.bodies import log_of, run


def all_at_once(work: Callable[[str], None], names: Iterable[str]) -> None:
    """Call a function for each name, each in a thread, and wait for all."""
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_what_is_printed_is_logged_by_line_and_still_printed(
    celery: Celery, records: Records, capsys: pytest.CaptureFixture[str]
):
    def body() -> None:
        with progress.capture():
            print("two", "words")
            print("one\ntwo\r\n\n", end="")
            print("late", end=" ")
            print("warned", file=sys.stderr)
            print("end")
            print("\x1b[31mred\x1b[0m")
            print("no end", end="")
        print("after")

    stdout = sys.stdout
    task_id = run(celery, body)

    assert log_of(records, task_id) == [
        ("INFO", "two words"),
        ("INFO", "one"),
        ("INFO", "two"),
        ("WARNING", "warned"),
        ("INFO", "late end"),
        ("INFO", "red"),
        ("INFO", "no end"),
    ]
    assert sys.stdout is stdout
    assert capsys.readouterr().out.splitlines()[0] == "two words"


def test_a_bars_own_drawing_is_not_logged_and_its_messages_are(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            for item in tqdm.tqdm(range(3), desc="Reading"):
                tqdm.tqdm.write(f"row {item}")
            for percent in range(0, 101, 50):
                print(f"\r{percent}%", end="")
            print()
            print("\rworking", end="")
            print("\rdone")

    lines = log_of(records, run(celery, body))

    assert lines == [("INFO", text) for text in ("row 0", "row 1", "row 2", "done")]


def test_threads_of_two_runs_at_once_print_each_to_its_own_log(celery: Celery, records: Records):
    together = threading.Barrier(2)
    ids: dict[str, str] = {}

    def say(text: str) -> None:
        for line in range(50):
            print(text, line)

    def start(name: str) -> None:
        def body() -> None:
            with progress.capture():
                together.wait(20)
                all_at_once(say, [f"{name} {part}" for part in range(3)])

        ids[name] = run(celery, body)

    stdout = sys.stdout
    all_at_once(start, "ab")

    for name in "ab":
        said = {text for _, text in log_of(records, ids[name])}
        assert said == {f"{name} {part} {line}" for part in range(3) for line in range(50)}
    assert sys.stdout is stdout


def test_a_thread_of_no_run_prints_to_no_log(celery: Celery, records: Records):
    """The worker's own threads print too, also while it has one run only."""
    go = threading.Event()
    said = threading.Event()

    def stranger() -> None:
        go.wait(20)
        print("of the worker")
        said.set()

    def body() -> None:
        with progress.capture():
            go.set()
            said.wait(20)

    threading.Thread(target=stranger).start()

    assert log_of(records, run(celery, body)) == []


def test_many_thousand_lines_are_bounded(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            for number in range(20_000):
                print(number)
            assert len(runs.present().buffer._lines._lines) <= MAX_LINES

    lines = [text for _, text in log_of(records, run(celery, body))]

    assert lines[-1] == "19999"
    assert len(lines) <= LOG_LINES


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that passes its records on to no other, as Celery's for tasks."""
    logger = logging.getLogger("celery.task.of_a_test")
    logger.setLevel("INFO")
    yield logger
    logger.propagate = True
    logger.handlers.clear()


@pytest.mark.parametrize("passes_on", [True, False])
def test_log_records_are_lines_with_their_level_and_traceback(
    celery: Celery, records: Records, logger: logging.Logger, passes_on: bool
):
    logger.propagate = passes_on

    def body() -> None:
        with progress.capture():
            logger.info("%s rows", 3)
            logger.debug("below its level")
            try:
                raise ValueError("odd")
            except ValueError:
                logger.exception("failed")
        logger.info("after")

    (info, first), (error, last) = log_of(records, run(celery, body))

    assert (info, first, error) == ("INFO", "3 rows", "ERROR")
    assert last.startswith("failed\nTraceback")
    assert last.endswith("ValueError: odd")
    assert not any(isinstance(each, RunLogHandler) for each in logging.getLogger().handlers)


def test_a_handler_that_the_task_adds_logs_nothing_twice(
    celery: Celery, records: Records, logger: logging.Logger
):
    def body() -> None:
        with progress.capture():
            logger.addHandler(logging.StreamHandler())
            logger.warning("once")

    assert log_of(records, run(celery, body)) == [("WARNING", "once")]


def test_what_a_worker_redirects_is_logged_once(celery: Celery, records: Records):
    """Celery's workers make log records of what is printed."""
    own = logging.getLogger("celery.redirected")

    def body() -> None:
        with contextlib.redirect_stdout(LoggingProxy(own, "WARNING")), progress.capture():
            print("once")

    assert log_of(records, run(celery, body)) == [("INFO", "once")]


def test_warnings_are_lines(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture(), warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)  # as Celery's workers do
            warnings.warn("it is old", stacklevel=1)
            logging.captureWarnings(False)

    lines = log_of(records, run(celery, body))

    assert {level for level, _ in lines} == {"WARNING"}
    assert "UserWarning: it is old" in lines[0][1]


def test_headways_own_records_are_no_lines_of_a_task(celery: Celery, records: Records):
    def body() -> None:
        with progress.capture():
            logging.getLogger("headway.celery.run.progress_buffer").warning("a report is not sent")

    assert log_of(records, run(celery, body)) == []


def test_an_object_that_cannot_be_logged_costs_its_line_only(
    celery: Celery, records: Records, logger: logging.Logger
):
    logger.propagate = False  # past pytest's handler, which raises

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    def body() -> None:
        with progress.capture():
            logger.warning("%s", Odd())
            logger.warning("next")

    lines = log_of(records, run(celery, body))

    assert lines[-1] == ("WARNING", "next")

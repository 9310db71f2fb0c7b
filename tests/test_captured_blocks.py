"""Blocks of progress.capture() in one another, and blocks that an error leaves."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

import pytest
import tqdm
from celery import Celery
from rich.console import Console
from rich.progress import track

from headway import progress
from headway.capture.logs import RunLogHandler
from headway.capture.streams import Tee
from headway.store.records import Records
from tests.bodies import log_of, read, run, run_task

# Said by eventlet, where an earlier test has imported it; these forks use no greenlets.
pytestmark = pytest.mark.filterwarnings("ignore:Using fork\\(\\) is a bad idea")


def printed() -> None:
    print("said")


def logged() -> None:
    logging.getLogger("a.library").error("said")


def warned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # as Celery's workers do
        warnings.warn("said", stacklevel=1)
        logging.captureWarnings(False)


def by_a_program() -> None:
    progress.run([sys.executable, "-c", "print('said')"])


def by_a_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(print, "said").result()


def by_a_coroutine() -> None:
    async def say() -> None:
        await asyncio.gather(asyncio.to_thread(print, "said"))

    asyncio.run(say())


def captured_print() -> None:
    with progress.capture():
        print("said")


def by_a_process() -> None:
    process = get_context("fork").Process(target=progress.bind(captured_print))
    process.start()
    process.join()


def by_tqdm() -> None:
    for _ in tqdm.tqdm(range(3), file=io.StringIO()):
        pass
    print("said")


def by_rich() -> None:
    for _ in track(range(3), console=Console(file=io.StringIO())):
        pass
    print("said")


WAYS = [
    printed,
    logged,
    warned,
    by_a_program,
    by_a_thread,
    by_a_coroutine,
    by_a_process,
    by_tqdm,
    by_rich,
]


def is_as_it_was() -> bool:
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    handlers = [one for each in loggers for one in getattr(each, "handlers", ())]
    streams = isinstance(sys.stdout, Tee), isinstance(sys.stderr, Tee)
    return not any(streams) and not any(isinstance(one, RunLogHandler) for one in handlers)


@pytest.mark.parametrize("by_setting", [False, True])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_two_blocks_capture_is_there_once(
    celery: Celery, records: Records, way: Callable[[], None], by_setting: bool
):
    celery.conf.headway_capture = True if by_setting else None

    def body() -> None:
        with progress.capture():
            with progress.capture():
                way()
            print("between")
        print("after")

    task_id = run(celery, body)

    texts = [text for _, text in log_of(records, task_id)]
    assert sum("said" in text for text in texts) == 1
    assert texts.count("between") == 1
    assert texts.count("after") == by_setting  # the inner block ends nothing
    assert is_as_it_was()
    if way in (by_tqdm, by_rich):
        end = read(records, task_id)
        assert (end.current, end.total) == (3, 3)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_error_ends_the_blocks_and_what_was_said_is_there(
    celery: Celery, records: Records, way: Callable[[], None]
):
    def fails() -> None:
        with progress.capture(), progress.capture():
            way()
            print("unfinished", end="")
            raise KeyError("no such row")

    task_id = str(uuid4())
    with pytest.raises(KeyError, match="no such row"):
        run_task(celery.task(name=f"fails-{task_id}", shared=False)(fails), task_id)

    texts = [text for _, text in log_of(records, task_id)]
    assert sum("said" in text for text in texts) == 1
    assert texts[-1] == "unfinished"
    assert is_as_it_was()
    assert [text for _, text in log_of(records, run(celery, captured_print))] == ["said"]

"""Fixtures: a Valkey of the run's own, records over it, an app, its clients."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import hypothesis
import pytest
from celery import Celery, _state
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from redis import TimeoutError as RedisTimeout
from redis.connection import AbstractConnection

from app import create_app
from headway import masking
from headway.celery.run import runs
from headway.store.connection import connect
from headway.store.records import Records
from tests import plain_celery as plain
from tests.answers_described import Described
from tests.bodies import live_celery
from tests.browser import Visitor
from tests.by_broker import Hand
from tests.chromium import LEANEST_FIRST, WHOLE, options
from tests.kept_files import BucketPlace, FolderPlace, Place
from tests.made_once import make_once
from tests.processes import CRASHES, PATIENCE_SECONDS, Process, Valkey, running, web_for, worker
from tests.registered import forgotten_after, share_no_apps_own_tasks
from tests.s3_server import CREDENTIALS, Bucket, S3Server

# A busy machine is no fault.
BUSY = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("headway", **BUSY)
hypothesis.settings.load_profile("headway")
expect.set_options(timeout=20_000)  # ms
# A shell has what it starts in the background ignore it, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests start and read more than a visitor would; those of the limits turn them on.
os.environ.setdefault("RATE_LIMITS", "off")

MAX_NEW_OBJECTS = 100_000  # before Python searches for garbage by itself

# Longest first: a file that takes minutes, begun last, would run alone at the end.
LONG_FILES = [
    "test_faults",
    "test_stopping",
    "test_engines",
    "test_maintenance",
    "test_run",
    "test_push_outages",
    "test_web_leaks",
    "test_flow",
    "test_page_while_running",
    "test_accessible",
    "test_mailing_page",
    "test_damaged_keys",
    "test_cancel_pools",
    "test_endings",
    "test_programs",
    "test_callers",
    "test_wheel",
    "test_terminal_docs",
    "test_api",
    "test_marked_tokens",
    "test_web_stopping",
    "test_inbox",
    "test_elements",
    "test_workers",
    "test_page",
    "test_keyboard",
    "test_inherited",
    "test_below_a_path",
    "test_catalogues",
    "test_handover",
    "test_docs",
    "test_handing_over",
    "test_list_element",
    "test_schedules_docs",
    "test_engine_life",
    "test_list",
    "test_page_actions",
    "test_any_pool",
    "test_deployed",
    "test_extras",
    "test_flower",
    "test_questions_page",
    "test_record_machine",
    "test_examples_at_workers",
    "test_checkpoint_workers",
    "test_tutorial_docs",
    "test_readme",
    "test_beat",
    "test_every_phase",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Search for no garbage meanwhile: what is collected stays, in each of the processes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave what stays for the whole run out of each later search for garbage.

    There is one at each file's end, and few in between, which would do the same work again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MAX_NEW_OBJECTS)


@pytest.fixture(autouse=True, scope="session")
def what_apps_have_alike_is_made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_once(patch)
        yield


@pytest.fixture(autouse=True, scope="module")
def no_celery_app_is_current_from_elsewhere() -> Iterator[None]:
    """Let a file's tests find no app that another file has made, or has only imported, current.

    Shared tasks and tokens go by the current app. That of a file before may have another
    project's tasks, or a Redis that has ended.
    """
    before = _state._tls.current_app
    _state._set_current_app(None)
    yield
    _state._set_current_app(before)


@pytest.fixture(autouse=True, scope="module")
def tasks_are_registered_in_their_file_alone() -> Iterator[None]:
    with forgotten_after():
        share_no_apps_own_tasks()
        yield


@pytest.fixture(scope="module")
def no_app_is_active_from_elsewhere() -> Iterator[None]:
    """For a file that purges: each app of the process that has the same broker is asked then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_state, "_apps", WeakSet())
        yield


OF_THE_PRODUCT = connect.__defaults__


@pytest.fixture(autouse=True, scope="session")
def redis_has_time_to_answer() -> Iterator[None]:
    """In the tests' own process the product waits longer for Redis: a busy machine is no fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "__defaults__", (PATIENCE_SECONDS,))
        yield


@pytest.fixture
def hasty_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Redis no longer than the product does: for a test in which it hangs."""
    monkeypatch.setattr(connect, "__defaults__", OF_THE_PRODUCT)


@pytest.fixture
def redis_timeouts(hasty_redis: None, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note each time that the product gives a hung Redis up: a second each."""
    read = AbstractConnection.read_response
    noted: list[object] = []

    def note(connection: AbstractConnection, *args: Any, **options: Any) -> Any:
        try:
            return read(connection, *args, **options)
        except RedisTimeout:
            noted.append(connection)
            raise

    monkeypatch.setattr(AbstractConnection, "read_response", note)
    return noted


@pytest.fixture(autouse=True, scope="session")
def crashes_are_known() -> Iterator[list[subprocess.Popen[Any]]]:
    """Note each child process that crashes in native code, and have Python's say where.

    What tests/processes.py starts says so by itself.
    """
    crashed: list[subprocess.Popen[Any]] = []

    def noting(method: Callable[..., int | None]) -> Callable[..., int | None]:
        def note(process: subprocess.Popen[Any], *args: Any, **options: Any) -> int | None:
            code = method(process, *args, **options)
            if code in CRASHES and process not in crashed:
                crashed.append(process)
            return code

        return note

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONFAULTHANDLER", "1")
        patch.setattr(subprocess.Popen, "wait", noting(subprocess.Popen.wait))
        patch.setattr(subprocess.Popen, "poll", noting(subprocess.Popen.poll))
        yield crashed


@pytest.fixture(autouse=True)
def no_process_crashes(crashes_are_known: list[subprocess.Popen[Any]]) -> Iterator[None]:
    yield
    crashed = [process.args for process in crashes_are_known]
    crashes_are_known.clear()
    assert not crashed


CONNECTIONS: list[AbstractConnection] = []


@pytest.fixture(autouse=True, scope="session")
def redis_connections_are_known() -> Iterator[None]:
    """Note a connection each time it connects: a backend's may do so files after it was made."""
    connect = AbstractConnection.connect_check_health

    def note(connection: AbstractConnection, *args: Any, **options: Any) -> None:
        if not connection.is_connected:
            CONNECTIONS.append(connection)
        connect(connection, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "connect_check_health", note)
        yield


@pytest.fixture(autouse=True, scope="module")
def redis_connections_end_with_their_file(redis_connections_are_known: None) -> Iterator[None]:
    """End the connections of clients, backends and Celery apps that a file's tests leave to the
    garbage collector.

    It may come to a socket before it comes to the connection that would close it, and Python then
    warns of the socket, in whichever test runs by then. And a result of Celery's that is collected
    unsubscribes, for which it may connect again. So a connection is kept until all is collected
    that uses it: what pytest holds of a file's last test goes when the next file begins.
    """
    gc.collect()
    gc.freeze()  # what files before have left for good is looked through at the end
    earlier = len(CONNECTIONS)
    yield
    gc.collect()  # what else it has left open is said here, and not in another file
    for connection in CONNECTIONS:
        connection.disconnect()
    del CONNECTIONS[:earlier]


@pytest.fixture(autouse=True, scope="module")
def secrets_are_known_in_their_file_alone() -> Iterator[None]:
    """Mask nothing that another file's apps keep secret.

    Their keys are random, and a stream holds back a text's end where it may begin one of them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masking, "_known", WeakKeyDictionary())
        patch.setattr(masking, "_forms", ())
        patch.setattr(masking, "_encoded", masking.NOTHING)
        patch.setattr(masking, "_beginnings", frozenset())
        yield


@pytest.fixture(scope="session")
def valkey_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    gc.unfreeze()
    gc.collect()  # results say goodbye; and what one file kept and a later one left open is said
    server.stop()


@pytest.fixture(scope="module")
def valkey(valkey_of_the_run: Valkey) -> Valkey:
    """A Valkey that is empty when a file's tests begin, whichever files' ran before."""
    valkey_of_the_run.empty()
    return valkey_of_the_run


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    valkey.empty()
    return valkey.url


@pytest.fixture
def records(redis_url: str) -> Iterator[Records]:
    client = connect(redis_url)
    yield Records(client, ttl_days=7)
    client.close()


@pytest.fixture
def shared_records(valkey: Valkey) -> Iterator[Records]:
    """Records in a Valkey that a process of the module works on, so it is not emptied."""
    client = valkey.connect()
    yield Records(client, ttl_days=7)
    client.close()


@pytest.fixture(scope="module")
def plain_worker(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A worker of tests/plain_celery.py for all tests of a module."""
    plain.use(valkey.url)
    folder = tmp_path_factory.mktemp("worker")
    with running(
        worker(folder, {"REDIS_URL": valkey.url}, "celery", "tests.plain_celery")
    ) as process:
        yield process


@pytest.fixture(scope="session")
def s3_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        server = S3Server(tmp_path_factory.mktemp("s3"))
        yield server
        server.stop()


@pytest.fixture
def bucket(s3_of_the_run: S3Server) -> Bucket:
    """An empty bucket."""
    return s3_of_the_run.bucket()


@pytest.fixture(params=["folder", "bucket"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where files are kept: what uses it is tested with each of the two."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "files")
    return BucketPlace(request.getfixturevalue("bucket"))


@pytest.fixture
def hand(redis_url: str) -> Iterator[Hand]:
    """The test in the place of a worker of tests/plain_celery.py; maintenance has seen one."""
    plain.use(redis_url)
    hand = Hand()
    hand.keep()
    yield hand
    hand.close()


@pytest.fixture
def celery(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """An app whose tasks run in this process, as in one that a worker has just begun."""
    monkeypatch.setattr(runs, "_process", runs._Process())
    app = live_celery(redis_url)
    yield app
    app.close()


@pytest.fixture(scope="module")
def web_address(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web process for all tests of a module; there is no worker."""
    with web_for(valkey, tmp_path_factory.mktemp("web")) as address:
        yield address


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a process under test."""
    return {
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SECRET_KEY": "a secret for the tests",
        "LONG_TASK_STEPS": "5",
        "LONG_TASK_STEP_SECONDS": "0.05",
    }


@pytest.fixture
def app(env: dict[str, str]):
    app = create_app(env)
    Described(app)
    return app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(autouse=True)
def no_visitor_stays() -> Iterator[None]:
    yield
    Visitor.close_all()


@pytest.fixture(scope="session")
def chromium() -> dict[str, Any]:
    """How to start the leanest Chromium of the system."""
    return options_of_chromium(LEANEST_FIRST)


@pytest.fixture(scope="session")
def whole_chromium() -> dict[str, Any]:
    """How to start the Chromium that people use: one that keeps to a profile's settings."""
    return options_of_chromium(WHOLE)


def options_of_chromium(names: tuple[str, ...]) -> dict[str, Any]:
    """Where it is missing a run at home says so loudly; CI (REQUIRE_BROWSER=1) fails."""
    found = options(names)
    if found is not None:
        return found
    message = (
        "NO BROWSER: the page was not tested. Install Debian's package chromium, or run "
        "`make test`."
    )
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def browser_of_the_run(
    chromium: dict[str, Any],
) -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """One browser for all files, and the event loop of the Playwright that drives it.

    Begun for each file, both would cost the processor most of a second each time.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium)
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


# Where Playwright's event loop runs, nothing else may run one: in other files it counts as still.
@pytest.fixture(scope="module")
def browser(
    browser_of_the_run: tuple[Browser, asyncio.AbstractEventLoop],
) -> Iterator[Browser]:
    browser, loop = browser_of_the_run
    asyncio._set_running_loop(loop)
    yield browser
    for context in browser.contexts:
        context.close()
    asyncio._set_running_loop(None)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(reduced_motion="reduce")  # axe finds no colour on its way
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page that fails its test on any error in its console."""
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
    return page

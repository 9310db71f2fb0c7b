"""The pytest plugin: fixtures for tests of a project's own tasks. See `docs/testing.md`.

pytest loads this in each project that has Headway installed, so nothing slow is imported at its
top, and nothing is started before a fixture is used.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from headway.exceptions import ConfigError, HeadwayError

if TYPE_CHECKING:
    from celery import Celery

    from headway.testing.eager import Eager
    from headway.testing.live import Live, Worker
    from headway.testing.task_run import TaskRun

NO_APP = (
    "headway_live starts a worker of your project, as `celery -A` does. Say of which app, in "
    'pyproject.toml: [tool.pytest.ini_options] headway_app = "shop"'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("headway_app", "the Celery app of this project, as for `celery -A`")
    about = "options of headway_live's worker, as for `celery worker`"
    parser.addini("headway_worker_options", about, default="--concurrency 2")


@pytest.fixture
def headway_celery_app(request: pytest.FixtureRequest) -> Celery:
    """The Celery app under test: `headway_app` in pytest's settings, or the current one.

    Override it if a fixture of your own makes the app.
    """
    from celery import current_app
    from celery.app.utils import find_app

    name = request.config.getini("headway_app")
    return find_app(name) if name else current_app._get_current_object()


@pytest.fixture
def headway_eager(headway_celery_app: Celery) -> Iterator[Eager]:
    """Run all tasks of the app in this process, as a worker does, with no service."""
    with ExitStack() as stack:
        with _errors_without_traceback():
            from headway.testing.eager import Eager

            eager = stack.enter_context(Eager(headway_celery_app).active())
        yield eager


@pytest.fixture
def headway_run(headway_eager: Eager) -> Callable[..., TaskRun]:
    """Run one task: `headway_run(task, *args, **kwargs)` returns what it showed."""
    return headway_eager.run


@pytest.fixture
def headway_live(headway_celery_app: Celery, _headway_worker: tuple[Worker, str]) -> Iterator[Live]:
    """Run tasks in a worker of the project, on a Redis for tests."""
    from headway.testing.live import live

    with ExitStack() as stack:
        with _errors_without_traceback():
            entered = stack.enter_context(live(headway_celery_app, *_headway_worker))
        yield entered


@pytest.fixture(scope="session")
def _headway_worker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, str]]:
    """The worker of all tests with `headway_live`, and the URL of its Redis."""
    config = request.config
    folder = tmp_path_factory.mktemp("headway")
    app_name = config.getini("headway_app")
    options = shlex.split(config.getini("headway_worker_options"))
    with ExitStack() as stack:
        with _errors_without_traceback():
            if not app_name:
                raise ConfigError(NO_APP)
            from headway.testing.live import Worker, redis_for_tests, running

            url = stack.enter_context(redis_for_tests(folder))
            place = config.invocation_params.dir
            worker = Worker(app_name, options, place, url, folder / "worker.log")
            stack.enter_context(running(worker))
        yield worker, url


@contextmanager
def _errors_without_traceback() -> Iterator[None]:
    """Show an error that says what to do without a traceback through this library."""
    try:
        yield
    except HeadwayError as error:
        pytest.fail(str(error), pytrace=False)

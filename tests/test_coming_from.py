"""docs/coming-from.md: its examples work as it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery_progress.backend import Progress, ProgressRecorder
from flask_socketio import SocketIO

from headway.testing.eager import Eager
from tests.browser import OrderedClient
from tests.documents import Followed, module_of
from tests.processes import Valkey, wait_for

PAGE = "docs/coming-from.md"

AND_ITS_OWN_EVENT = """

@headway.socketio.on("order")
def order(dish):
    return f"one {dish}"
"""


@contextmanager
def example(file: str) -> Iterator[tuple[ModuleType, Eager]]:
    """One of the page's modules, whose tasks run in this process."""
    with module_of(PAGE, file) as module, Eager(module.celery).active() as eager:
        yield module, eager


def test_the_articles_requests_and_keys_work_with_its_own_task():
    with example("article.py") as (article, eager):
        article.time = SimpleNamespace(sleep=lambda seconds: None)
        visitor = article.app.test_client()

        accepted = visitor.post("/longtask")
        status = visitor.get(accepted.headers["Location"])
        stranger = article.app.test_client().get(accepted.headers["Location"])
        run = eager.run_of(status.json["task_id"])

    assert (accepted.status_code, stranger.status_code) == (202, 404)
    article_keys = {"state": "SUCCESS", "status": "Task completed!", "result": 42}
    assert status.json.items() >= article_keys.items()
    assert status.json["current"] == status.json["total"]
    run.assert_showed(state="PROGRESS", current=7, total=20, status="Booting 7...")
    assert {one.state for one in run.snapshots} == {"PENDING", "PROGRESS", "SUCCESS"}


def test_between_the_claim_and_the_first_report_celery_says_started():
    seen = []
    with example("article.py") as (article, eager):

        @article.celery.task(bind=True, shared=False)
        def looks(self: Any) -> None:
            seen.append(article.long_task.AsyncResult(self.request.id).state)

        eager.run(looks)

    assert seen == ["STARTED"]


def test_celery_progress_reports_to_the_card_and_its_json_answers_as_before():
    asked: list[dict[str, Any]] = []

    class Asking(ProgressRecorder):
        """The package's recorder; after each report its JSON route's view is asked."""

        def set_progress(self, *args: Any, **options: Any) -> Any:
            said = super().set_progress(*args, **options)
            asked.append(Progress(self.task.AsyncResult(self.task.request.id)).get_info())
            return said

    with example("orders.py") as (orders, eager):
        orders.ProgressRecorder = Asking
        run = eager.run(orders.export, 4)
        asked.append(Progress(orders.export.AsyncResult(run.task_id)).get_info())

    run.assert_succeeded("4 rows")
    run.assert_showed(phase="running", current=3, total=4, status="Exporting")
    shown = {
        "pending": False,
        "current": 3,
        "total": 4,
        "percent": 75.0,
        "description": "Exporting",
    }
    assert asked[2] == {"state": "PROGRESS", "complete": False, "success": None, "progress": shown}
    assert asked[-1].pop("progress")["percent"] == 100
    assert asked[-1] == {
        "state": "SUCCESS",
        "complete": True,
        "success": True,
        "result": "4 rows",
    }


def test_a_count_of_celery_progress_without_a_total_is_of_an_unknown_total():
    with example("orders.py") as (orders, eager):

        @orders.celery.task(bind=True, shared=False)
        def count(self: Any) -> None:
            recorder = ProgressRecorder(self)
            for _ in range(3):
                recorder.increment_progress(description="Counting")

        run = eager.run(count)

    run.assert_showed(phase="running", current=3, total=None, status="Counting")


def test_the_json_of_celery_progress_tells_a_failure():
    with example("orders.py") as (orders, eager):
        run = eager.run(orders.export, "many")
        info = Progress(orders.export.AsyncResult(run.task_id)).get_info()

    assert (info["state"], info["complete"], info["success"]) == ("FAILURE", True, False)
    assert info["result"] == run.snapshot.status


@pytest.fixture(scope="module")
def kitchen(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page's app with a server of its own, which runs as its reader runs it."""
    reader = Followed(PAGE, tmp_path_factory.mktemp("kitchen"), valkey)
    with (reader.folder / "kitchen.py").open("a") as code:
        code.write(AND_ITS_OWN_EVENT)
    with ExitStack() as stack:
        yield reader.run(stack, "kitchen", with_worker=False)


@pytest.fixture
def connected() -> Iterator[Any]:
    """Opens sockets: the client, and what it has heard."""
    with ExitStack() as stack:

        def connect(address: str, path: str) -> tuple[OrderedClient, list[tuple[str, Any]]]:
            client = OrderedClient(reconnection=False)
            heard = []
            client.on("*", lambda event, data: heard.append((event, data)))
            options = {"transports": ["websocket"], "socketio_path": path, "wait_timeout": 5}
            client.connect(address, **options)
            stack.callback(client.close)
            return client, heard

        yield connect


def test_a_socket_server_of_the_apps_own_works_as_before(
    kitchen: str, valkey: Valkey, connected: Any
):
    client, heard = connected(kitchen, "socket.io")

    client.emit("join", "table 5")
    wait_for(lambda: ("joined", "table 5") in heard)
    SocketIO(message_queue=valkey.url).emit("served", "soup", to="table 5")
    wait_for(lambda: ("served", "soup") in heard)


def test_headways_socket_has_the_apps_events_and_hears_what_goes_to_all(
    kitchen: str, valkey: Valkey, connected: Any
):
    client, heard = connected(kitchen, "headway/socket.io")

    assert client.call("order", "soup", timeout=20) == "one soup"
    SocketIO(message_queue=valkey.url).emit("closing", "soon")
    wait_for(lambda: ("closing", "soon") in heard)

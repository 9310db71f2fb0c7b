"""Headway in somebody's Flask app: endpoints and websockets below a prefix, and nothing else of
that app is touched.
"""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import engineio
import pytest
import requests
import socketio
import websocket
from celery import Celery
from flask import Flask
from flask_socketio import SocketIO, emit

from headway import ConfigError, Headway
from headway.celery.messages.sends import load_owner_by, nobody
from headway.engine.frames import SERVICE_RESTART
from headway.store.records import Records
from headway.web.requests.errors import ERROR_PAGES, JSON_BLUEPRINTS
from tests.browser import OrderedClient
from tests.processes import Process, answers, free_port, running, wait_for, worker


@pytest.fixture
def shop(redis_url: str) -> Any:
    """A Flask app, its Celery task, and Headway with its defaults."""
    app = Flask("shop")
    app.config["SECRET_KEY"] = "a secret for the tests"
    celery = Celery("shop", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False)

    @celery.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.post("/buy")
    def buy() -> dict[str, str]:
        return {"task_id": add.apply_async((1, 2), headers={"headway_title": "Sum"}).id}

    @app.errorhandler(404)
    def own_not_found(error: Exception) -> tuple[str, int]:
        return "the shop knows no such page", 404

    Headway(app, celery=celery)
    celery.backend.records.client.flushdb()
    yield app
    load_owner_by(nobody)


def test_its_endpoints_are_below_the_prefix_and_the_apps_own_are_as_they_were(shop: Flask):
    client = shop.test_client()

    mine = client.get("/headway/tasks")
    unknown = client.get("/headway/status/7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01")
    own = client.get("/no/such/page")

    assert (mine.status_code, mine.get_json()["tasks"]) == (200, [])
    assert (unknown.status_code, unknown.get_json()["error"]["code"]) == (404, "not_found")
    assert (own.status_code, own.text) == (404, "the shop knows no such page")
    assert "Content-Security-Policy" not in own.headers
    assert client.get("/headway/healthz").status_code == 200


@pytest.mark.parametrize(("path", "code"), [("/headway/tasks", 403), ("/buy", 200)])
def test_only_its_own_endpoints_refuse_other_sites(shop: Flask, path: str, code: int):
    response = shop.test_client().post(
        path, headers={"Sec-Fetch-Site": "cross-site"}, json={"name": "add"}
    )

    assert response.status_code == code


@pytest.mark.parametrize("allowed", ["https://partner.example", ["https://partner.example/"]])
def test_another_sites_page_may_be_allowed(redis_url: str, allowed: Any):
    app = Flask("shop")
    app.config.update(SECRET_KEY="a secret for the tests", HEADWAY_ALLOWED_ORIGINS=allowed)
    Headway(
        app,
        celery=Celery(
            "shop", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False
        ),
    )
    load_owner_by(nobody)

    response = app.test_client().post(
        "/headway/tasks", headers={"Origin": "https://partner.example"}, json={}
    )

    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "bad_request")


def test_an_allowed_origin_that_is_none_is_refused(redis_url: str):
    app = Flask("shop")
    app.config["HEADWAY_ALLOWED_ORIGINS"] = ["partner.example"]

    with pytest.raises(
        ConfigError, match=r"HEADWAY_ALLOWED_ORIGINS must hold .*, not 'partner\.example'"
    ):
        Headway(
            app,
            celery=Celery(
                "shop", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False
            ),
        )


@pytest.mark.parametrize("name", ["SECRET_KEY_FALLBACKS", "HEADWAY_SECRET_KEY_FALLBACKS"])
@pytest.mark.parametrize("keys", ["a former secret of the tests", b"a former secret of the tests"])
def test_a_text_of_former_keys_is_refused(redis_url: str, name: str, keys: str | bytes):
    app = Flask("shop")
    app.config[name] = keys
    backend = f"headway+{redis_url}"

    with pytest.raises(ConfigError, match=f"^{name} must be a list of keys"):
        Headway(app, celery=Celery("shop", broker=redis_url, backend=backend, set_as_current=False))


def test_a_refusal_at_any_endpoint_needs_no_template_of_the_apps(shop: Flask):
    blueprints = set(shop.blueprints)
    assert blueprints == JSON_BLUEPRINTS | ERROR_PAGES.keys()

    refused = shop.test_client().delete("/headway/push", headers={"Accept": "text/html"}, data="x")

    assert (refused.status_code, refused.get_json()["error"]["code"]) == (415, "not_json")


def test_it_leaves_other_socket_servers_of_the_process_alone(shop: Flask):
    assert socketio.Server(async_mode="threading")._engineio_server_class() is engineio.Server


@pytest.mark.parametrize("own_is_first", [True, False])
def test_what_an_app_emits_goes_by_its_own_socket_server(redis_url: str, own_is_first: bool):
    app = Flask("shop")
    app.secret_key = "a secret for the tests"
    backend = f"headway+{redis_url}"
    celery = Celery("shop", broker=redis_url, backend=backend, set_as_current=False)
    own = SocketIO(async_mode="threading")
    own.on("join")(lambda: emit("joined"))
    steps = [lambda: own.init_app(app), lambda: Headway(app, celery=celery)]
    for step in steps if own_is_first else reversed(steps):
        step()
    load_owner_by(nobody)
    client = own.test_client(app)

    client.emit("join")

    assert [event["name"] for event in client.get_received()] == ["joined"]


def test_a_celery_app_that_is_not_live_is_refused(redis_url: str):
    with pytest.raises(ConfigError, match=r"set result_backend to headway\+redis"):
        Headway(Flask("shop"), celery=Celery("shop", backend=redis_url, set_as_current=False))


# Under gunicorn with as many threads as there are websockets, none of which holds one.
@pytest.mark.parametrize("server", ["tests.flask_shop", "gunicorn"])
def test_a_task_of_its_view_is_pushed_to_its_user_and_to_nobody_else(
    redis_url: str, tmp_path: Path, server: str
):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    env = {"REDIS_URL": redis_url}
    arguments = [str(port)]
    if server == "gunicorn":
        options = "--threads=2", f"--bind=127.0.0.1:{port}", "--no-control-socket"
        arguments = [*options, "tests.flask_shop:made()"]
    site = Process([sys.executable, "-m", server, *arguments], tmp_path / "site.log", env)
    site.wait_until(lambda: answers(f"{address}/"))
    with running(site), running(worker(tmp_path, env, "celery", "tests.flask_shop:celery")):
        seen: dict[str, list[dict[str, Any]]] = {"ada": [], "bob": []}
        sockets = {user: OrderedClient(reconnection=False) for user in seen}
        for user, client in sockets.items():
            client.on("snapshot", seen[user].append)
            client.connect(
                address,
                {"X-User": user},
                transports=["websocket"],
                socketio_path="headway/socket.io",
                wait_timeout=20,
            )
            client.call("watch_mine", {}, timeout=20)
        started = requests.post(f"{address}/buy", headers={"X-User": "ada"}, timeout=10).json()[
            "task_id"
        ]

        wait_for(lambda: [one for one in seen["ada"] if one["phase"] == "succeeded"])
        status = requests.get(
            f"{address}/headway/status/{started}", headers={"X-User": "ada"}, timeout=10
        )
        strange = requests.get(
            f"{address}/headway/status/{started}", headers={"X-User": "bob"}, timeout=10
        )
        for socket in sockets.values():
            socket.close()

    assert {one["task_id"] for one in seen["ada"]} == {started}
    assert (status.json()["phase"], status.json()["result"]) == ("succeeded", 3)
    assert (strange.status_code, seen["bob"]) == (404, [])


def test_gunicorn_ends_its_websockets_so_that_their_clients_come_back_and_a_fork_of_it_ends_none(
    redis_url: str, tmp_path: Path
):
    port = free_port()
    address = f"127.0.0.1:{port}"
    options = "--threads=2", f"--bind={address}", "--no-control-socket"
    words = [sys.executable, "-m", "gunicorn", *options, "tests.flask_shop:made()"]
    site = Process(words, tmp_path / "site.log", {"REDIS_URL": redis_url})
    site.wait_until(lambda: answers(f"http://{address}/"))
    with running(site):
        path = "headway/socket.io/?EIO=4&transport=websocket"
        client = websocket.create_connection(f"ws://{address}/{path}", timeout=20)
        assert client.recv().startswith("0{")
        assert requests.post(f"http://{address}/fork", timeout=10).text == "0"
        client.send("40")
        assert client.recv().startswith("40{")

    while (found := client.recv_data())[0] == websocket.ABNF.OPCODE_TEXT:
        pass
    client.shutdown()
    assert found == (websocket.ABNF.OPCODE_CLOSE, SERVICE_RESTART.to_bytes(2))


POLLS = """
import logging, sys

from celery import Celery
from flask import Flask

from headway import Headway

logging.basicConfig()
url = sys.argv[1]
app = Flask("shop", static_folder=None)
app.config["SECRET_KEY"] = "a secret for the tests"
Headway(app, celery=Celery("shop", broker=url, backend=f"headway+{url}"))
for _ in range(3):
    app.test_client().get("/headway/socket.io/?EIO=4&transport=polling")
"""


def test_what_polls_is_one_line_of_the_log(redis_url: str):
    done = run([sys.executable, "-c", POLLS, redis_url], capture_output=True, text=True, check=True)

    assert done.stderr.count("Invalid transport") == 1


@pytest.mark.parametrize(
    ("transport", "says"),
    [
        ("polling", ("Invalid transport", "websockets alone", "docs/protocol.md")),
        (
            "websocket",
            ("Invalid websocket upgrade", "pass on the headers Upgrade", "docs/serve.md"),
        ),
    ],
)
def test_a_client_that_cannot_connect_is_told_what_to_do(
    shop: Flask, transport: str, says: tuple[str, ...]
):
    answer = shop.test_client().get(f"/headway/socket.io/?EIO=4&transport={transport}")

    assert answer.status_code == 400
    for words in says:
        assert words in answer.text


SHARED = """
import sys
from threading import Thread

from celery import Celery, shared_task
from flask import Flask

from headway import Headway

url, how = sys.argv[1:]


@shared_task(name="add")
def add(x, y):
    return x + y


app = Flask("shop")
app.secret_key = "a secret for the tests"
celery = Celery("shop", broker=url, backend=f"headway+{url}")
celery.conf.update(broker_connection_timeout=1, task_publish_retry=False)
if how == "flask run":
    isinstance(add, Flask)  # as it asks of each name of a module, before it calls `create_app`
if how in ("Flask", "flask run"):
    Headway(app, celery=celery)
elif how == "set_default":
    celery.set_default()


@app.post("/add")
def start():
    return add.delay(1, 2).id


def serve():  # as any server with threads
    print(app.test_client().post("/add").status_code)


thread = Thread(target=serve)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    ("how", "status"),
    [("Flask", "200"), ("flask run", "200"), ("set_default", "200"), ("neither", "500")],
)
def test_a_shared_task_is_started_in_any_thread(
    redis_url: str, records: Records, how: str, status: str
):
    """Without Flask the project sets the default, as the README says."""
    done = run(
        [sys.executable, "-c", SHARED, redis_url, how], capture_output=True, text=True, timeout=60
    )

    assert (done.stdout.strip(), records.client.llen("celery")) == (status, int(status == "200"))

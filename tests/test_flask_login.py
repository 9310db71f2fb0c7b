"""docs/own-login.md with Flask-Login, followed by its reader: two web processes, one Redis.

Who has logged out, or whose password was changed, is shown nothing more over any websocket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import requests

from tests.browser import OrderedClient
from tests.documents import Followed
from tests.processes import Valkey, wait_for

PAGE = "docs/own-login.md"
PASSWORD = "countess"
Watch = Callable[[requests.Session, str], OrderedClient]


class Members:
    """The page's app in two web processes."""

    def __init__(self, reader: Followed, stack: ExitStack) -> None:
        self.one = reader.run(stack, "members", with_worker=False)
        self.other = reader.run(stack, "members", with_worker=False)

    def log_in(self, password: str = PASSWORD) -> requests.Session:
        session = requests.Session()
        self.post(session, "login", user="ada", password=password)
        return session

    def post(self, session: requests.Session, path: str, **form: str) -> None:
        session.post(f"{self.one}/{path}", form, timeout=20).raise_for_status()


@pytest.fixture(scope="module")
def members(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    with ExitStack() as stack:
        yield Members(Followed(PAGE, tmp_path_factory.mktemp("members"), valkey), stack)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Opens a websocket as the page of a browser does that has these cookies."""
    clients: list[OrderedClient] = []

    def watch(browser: requests.Session, address: str) -> OrderedClient:
        client = OrderedClient(reconnection=False)
        clients.append(client)
        client.connect(
            address,
            headers={"Cookie": cookies_of(browser)},
            socketio_path="headway/socket.io",
            transports=["websocket"],
            wait_timeout=20,
        )
        return client

    yield watch
    for client in clients:
        client.close()


def cookies_of(browser: requests.Session) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def shown(client: OrderedClient) -> int:
    return len(client.call("watch_mine", {}, timeout=20)["snapshots"])


def with_cookies_of(browser: requests.Session) -> requests.Session:
    thief = requests.Session()
    thief.cookies.update(browser.cookies)
    return thief


def test_who_logs_out_is_shown_nothing_more_by_any_process(members: Members, watch: Watch):
    ada = members.log_in()
    members.post(ada, "export")
    open_pages = [watch(ada, address) for address in (members.one, members.other)]
    assert all(shown(each) for each in open_pages)

    members.post(ada, "logout")

    wait_for(lambda: not any(each.connected for each in open_pages))
    assert [shown(watch(ada, address)) for address in (members.one, members.other)] == [0, 0]
    assert ada.post(f"{members.one}/export", timeout=20).status_code == 401


def test_another_password_ends_all_other_logins_in_any_process(members: Members, watch: Watch):
    ada, elsewhere = members.log_in(), members.log_in()
    members.post(ada, "export")
    open_pages = [
        watch(browser, address)
        for browser in (ada, elsewhere)
        for address in (members.one, members.other)
    ]
    assert all(shown(each) for each in open_pages)

    members.post(ada, "password", password="another")

    wait_for(lambda: not any(each.connected for each in open_pages))
    addresses = (members.one, members.other)
    assert [shown(watch(elsewhere, address)) for address in addresses] == [0, 0]
    assert all(shown(watch(ada, address)) for address in addresses)  # the tasks are still hers
    tasks = elsewhere.get(f"{members.one}/headway/tasks", timeout=20).json()["tasks"]
    assert tasks == []
    members.post(ada, "password", password=PASSWORD)


def test_a_cookie_from_before_a_login_is_worth_nothing_after_it(members: Members, watch: Watch):
    ada = requests.Session()
    ada.get(members.one, timeout=20).raise_for_status()
    thief = with_cookies_of(ada)
    watching = watch(thief, members.other)

    members.post(ada, "login", user="ada", password=PASSWORD)
    members.post(ada, "export")
    [task, *_] = ada.get(f"{members.one}/headway/tasks", timeout=20).json()["tasks"]

    assert shown(watching) == 0
    answer = watching.call("watch", {"task_ids": [task["task_id"]]}, timeout=20)
    assert answer["missing"] == [task["task_id"]]
    found = thief.get(f"{members.one}/headway/status/{task['task_id']}", timeout=20)
    assert found.status_code == 404
    assert thief.get(f"{members.one}/headway/tasks", timeout=20).json()["tasks"] == []

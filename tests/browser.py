"""A visitor without a browser: cookies, HTTP and a websocket, and all that was pushed to it."""

from __future__ import annotations

from typing import Any, ClassVar

import engineio
import requests
import socketio

from tests.processes import wait_for


class _OrderedEngine(engineio.Client):  # type: ignore[misc]  # untyped
    """Handles one message after the other.

    The stock client starts a thread for each, and their order is lost.
    """

    def _trigger_event(self, event: str, *args: Any, **options: Any) -> Any:
        return super()._trigger_event(event, *args, **{**options, "run_async": False})


class OrderedClient(socketio.Client):  # type: ignore[misc]  # untyped
    """A client whose handlers are called in the order in which the events came."""

    def _engineio_client_class(self) -> type[engineio.Client]:
        return _OrderedEngine

    def close(self) -> None:
        """End the socket, also one that the server has ended already."""
        self.shutdown()  # which also ends its attempts to connect again
        if self.eio.ws is not None:
            self.eio.ws.shutdown()  # its close() leaves a socket open that the server has closed


class Visitor:
    """One visitor at one web process; `snapshots` and `logs` hold every push in its order."""

    open: ClassVar[set[Visitor]] = set()

    def __init__(
        self, address: str, cookies: requests.cookies.RequestsCookieJar | None = None
    ) -> None:
        self.open.add(self)
        self.address = address
        self.http = requests.Session()
        if cookies is not None:
            self.http.cookies.update(cookies)
        self.http.get(address, timeout=10).raise_for_status()
        self.snapshots: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        self.servers: list[dict[str, Any]] = []
        self.others: list[tuple[str, Any]] = []
        self.socket = OrderedClient(reconnection=False)
        self.socket.on("snapshot", self.snapshots.append)
        self.socket.on("log", self.logs.append)
        self.socket.on("server", self.servers.append)
        self.socket.on("*", lambda event, data: self.others.append((event, data)))

    def connect(self, origin: str | None = None, **headers: str) -> Visitor:
        """Open the websocket; `origin` "" sends no Origin header, as a program does, None the
        page's own.
        """
        origins = {"origin": origin} if origin else {"suppress_origin": origin == ""}
        self.socket.eio.websocket_extra_options = origins
        cookie = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        self.socket.connect(
            self.address, {"Cookie": cookie, **headers}, transports=["websocket"], wait_timeout=15
        )
        return self

    def close(self) -> None:
        """End the socket and the HTTP connections."""
        self.socket.close()
        self.http.close()
        self.open.discard(self)

    @classmethod
    def close_all(cls) -> None:
        for visitor in tuple(cls.open):
            visitor.close()

    def call(self, event: str, payload: Any) -> Any:
        """Send an event and return its acknowledgement; fails after 15 s without one."""
        return self.socket.call(event, payload, timeout=15)

    def start(self, name: str = "long_task", **args: Any) -> str:
        response = self.http.post(
            f"{self.address}/tasks", json={"name": name, "args": args}, timeout=10
        )
        assert response.status_code == 202, response.text
        return str(response.json()["task_id"])

    def status(self, task_id: str) -> dict[str, Any]:
        response = self.http.get(f"{self.address}/status/{task_id}", timeout=10)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def pushed(self, task_id: str) -> list[dict[str, Any]]:
        return [snapshot for snapshot in self.snapshots if snapshot["task_id"] == task_id]

    def wait_for_end(self, task_id: str, seconds: float = 20) -> dict[str, Any]:
        """Return the final snapshot that was pushed."""
        return wait_for(
            lambda: next((s for s in self.pushed(task_id) if s["finished_at"]), None),
            seconds,
            f"no end of {task_id} was pushed",
        )


class Returning(Visitor):
    """A visitor that reconnects by itself and asks again at each connect, as the page does."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.watched: list[str] = []
        self.missing: list[str] = []
        self.connects = 0
        self.goodbyes: list[str] = []
        self.socket.reconnection = True
        self.socket.reconnection_delay = 0.25
        self.socket.reconnection_delay_max = 2
        self.socket.randomization_factor = 0.1
        self.socket.on("connect", self._ask)
        self.socket.on("disconnect", self._part)

    def watch(self, task_id: str) -> None:
        self.watched.append(task_id)
        self.receive(self.call("watch", {"task_ids": [task_id]}))

    def receive(self, ack: dict[str, Any]) -> None:
        self.snapshots += ack["snapshots"]
        self.missing += ack["missing"]

    def _part(self, reason: str) -> None:
        self.goodbyes.append(reason)
        if self.socket.eio.state == "connected":  # lost: the next one takes its place
            self.socket.eio.ws.shutdown()

    def _ask(self) -> None:
        self.connects += 1
        if self.watched:
            self.socket.emit("watch", {"task_ids": self.watched}, callback=self.receive)


def status_of(visitor: Visitor, task_id: str) -> int:
    """The HTTP status of a question for the task, each on a connection of its own."""
    where = f"{visitor.address}/status/{task_id}"
    return requests.get(where, cookies=visitor.http.cookies, timeout=30).status_code


def newest(visitor: Visitor, task_id: str) -> int | None:
    """How far the visitor last saw a task."""
    seen = visitor.pushed(task_id)
    return max(seen, key=lambda snapshot: int(snapshot["version"]))["current"] if seen else None

"""A page that is measured by what Chromium itself says of it, over its DevTools socket.

Playwright has a page's network recorded: Chromium sends it each message of a websocket, which at
2,000 a second keeps the page's main thread and other cores busy with what no person has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import websocket

from bench.processes import Failed
from tests.processes import Process

PORT_FILE = "DevToolsActivePort"  # which Chromium writes into its folder: a port, and a path
PATIENCE_SECONDS = 30.0


class MeasuredPage:
    """A page of a Chromium of its own, without a window."""

    def __init__(self, executable: str, folder: Path, started: ExitStack) -> None:
        told = folder / PORT_FILE
        flags = [
            "--headless",
            "--no-sandbox",
            "--remote-debugging-port=0",
            "--window-size=1280,720",
        ]
        command = [executable, *flags, f"--user-data-dir={folder}", "about:blank"]
        folder.mkdir()
        browser = Process(command, folder / "chromium.log")
        started.callback(browser.stop)
        browser.wait_until(lambda: told.exists() and told.read_text().count("\n") == 1)
        port, path = told.read_text().split()
        # With an origin, as of a page, Chromium would refuse it.
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=PATIENCE_SECONDS, suppress_origin=True
        )
        started.callback(self._socket.close)
        self._sent = 0
        self._events: dict[str, Any] = {}  # the newest by its method
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def call(self, method: str, **params: Any) -> Any:
        """Return what Chromium answers. Raises Failed where it answers that it cannot."""
        self._sent += 1
        request = {"id": self._sent, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        self._socket.send(json.dumps({**request, **session}))
        while (answer := self._receive()).get("id") != self._sent:
            pass
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, address: str, cookies: Mapping[str, str]) -> None:
        """Go to an address as the visitor who has these cookies."""
        for name, value in cookies.items():
            self.call("Network.setCookie", name=name, value=value, url=address)
        self.call("Page.navigate", url=address)
        self.wait_for(
            f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
        )

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression as JSON has it. Raises Failed where it throws."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise Failed(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Return when an expression is true. Raises Failed when it is not in time."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.evaluate(expression):
            if time.monotonic() > until:
                raise Failed(f"{expression} was not true within {PATIENCE_SECONDS:g} s")
            time.sleep(0.05)

    @contextmanager
    def traced(self, categories: list[str]) -> Iterator[list[dict[str, Any]]]:
        """Trace what is done within; the list has Chromium's events after that."""
        found: list[dict[str, Any]] = []
        self.call("Tracing.start", transferMode="ReturnAsStream", categories=",".join(categories))
        yield found
        self.call("Tracing.end")
        while not (complete := self._events.pop("Tracing.tracingComplete", None)):
            self._receive()
        text = "".join(self._parts_of(complete["stream"]))
        found += json.loads(text)["traceEvents"]

    def _parts_of(self, stream: str) -> Iterator[str]:
        ended = False
        while not ended:
            part = self.call("IO.read", handle=stream)
            yield part["data"]
            ended = part["eof"]

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        if "method" in message:
            self._events[message["method"]] = message["params"]
        return message

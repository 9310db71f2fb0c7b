"""A Redis in the memory of the test's own process; Headway's scripts run in it unchanged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from headway.exceptions import ConfigError
from headway.store.connection import Client, FunctionPipeline

try:
    from fakeredis import FakeRedis, FakeServer
except ImportError as error:
    why = 'headway_eager and headway_run need more: pip install "headway[test]"'
    raise ConfigError(f"{why} ({error}).") from None

PUTS_INTO_QUEUE = ("create_", "enqueue_")  # functions whose third argument is a queue
DEFERS = "defer_"


def memory_clients(on_message: Callable[[str], None]) -> tuple[MemoryClient, Any]:
    """Return a client for records and one for Celery's backend, both of a new, empty Redis.

    `on_message` is called after each function that may have stored a message, with the name of the
    message's queue; "" for a message that waits for its time.
    """
    server = FakeServer(version=(7,))
    decoding = FakeRedis(server=server, decode_responses=True)
    client = MemoryClient(connection_pool=decoding.connection_pool)
    client.on_message = on_message
    return client, FakeRedis(server=server)


class MemoryClient(Client):
    """A client of a Redis in this process."""

    on_message: Callable[[str], None]

    def function_pipeline(self) -> FunctionPipeline:
        """Return a pipeline for functions of a loaded library."""
        return MemoryPipeline(self)


class MemoryPipeline(FunctionPipeline):
    """A pipeline that executes each call at once and keeps its reply."""

    __slots__ = ("_client", "_replies")

    def __init__(self, client: MemoryClient) -> None:
        super().__init__(client.connection_pool)
        self._client = client
        self._replies: deque[Any] = deque()

    def call(self, function: str, keys: Sequence[str], args: Sequence[Any]) -> None:
        """Execute a call, and keep its reply until `reply` is called."""
        try:
            reply = self._client.execute_command("FCALL", function, len(keys), *keys, *args)
        except Exception as error:
            reply = error
        self._replies.append(reply)
        if function.startswith(PUTS_INTO_QUEUE):
            self._client.on_message(str(args[2]))
        elif function.startswith(DEFERS):
            self._client.on_message("")

    def reply(self) -> Any:
        """Return the oldest kept reply, or raise it if it is an exception."""
        reply = self._replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def has_reply(self) -> bool:
        """Whether a reply is kept."""
        return bool(self._replies)

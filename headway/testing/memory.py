"""Redis in the memory of the test's own process: Headway's scripts run in it as they are."""

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

PUTS_INTO_QUEUE = ("create_", "enqueue_")  # the functions whose third argument is a queue
PARKS = "park_"


def memory_clients(on_message: Callable[[str], None]) -> tuple[MemoryClient, Any]:
    """Return a client for records and one for Celery's backend, of one new, empty Redis.

    `on_message` is called after each function that may have left a message there, with the queue
    in which it lies, "" for one that waits for its time.
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
        """Return what calls functions of a loaded library."""
        return MemoryPipeline(self)


class MemoryPipeline(FunctionPipeline):
    """Calls of functions, each done as it is made."""

    __slots__ = ("_client", "_replies")

    def __init__(self, client: MemoryClient) -> None:
        super().__init__(client.connection_pool)
        self._client = client
        self._replies: deque[Any] = deque()

    def call(self, function: str, keys: Sequence[str], args: Sequence[Any]) -> None:
        """Do a call, and keep its reply until it is asked for."""
        try:
            reply = self._client.execute_command("FCALL", function, len(keys), *keys, *args)
        except Exception as error:
            reply = error
        self._replies.append(reply)
        if function.startswith(PUTS_INTO_QUEUE):
            self._client.on_message(str(args[2]))
        elif function.startswith(PARKS):
            self._client.on_message("")

    def reply(self) -> Any:
        """Return the reply to the first call that was not asked for yet, or raise it."""
        reply = self._replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def has_reply(self) -> bool:
        """Whether there is a reply that was not asked for yet."""
        return bool(self._replies)

"""A network that can be broken: a TCP proxy between two processes that forwards, resets or
swallows.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close sends RST


class Mode(Enum):
    PASS = "pass"
    CUT = "cut"
    HOLE = "hole"


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    websocket: bool = False
    lost: bool = False  # half-open: nothing passes any more, for ever
    ends: list[asyncio.StreamWriter] = field(default_factory=list)


class Proxy:
    """Forwards what comes to `port` to `target`, both on 127.0.0.1; use it as a context manager.

    `cut` resets all connections and each new one; `swallow` makes all half-open, also new ones:
    both ends believe in a connection over which nothing comes. After `heal` new connections work;
    half-open ones stay what they are.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._mode = Mode.PASS
        self._websockets_only = False
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"proxy to {target}", daemon=True
        )
        self._thread.start()
        self._server = self._run(self._listen())

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self, *, websockets_only: bool = False) -> None:
        """Reset every connection and each new one, or only those that became websockets."""
        self._do(lambda: self._set(Mode.CUT, websockets_only))

    def swallow(self) -> None:
        """Let nothing through, in either direction, nor the news that an end is gone.

        Keep every connection open.
        """
        self._do(lambda: self._set(Mode.HOLE))

    def heal(self) -> None:
        self._do(lambda: self._set(Mode.PASS))

    def close(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _set(self, mode: Mode, websockets_only: bool = False) -> None:
        self._mode = mode
        self._websockets_only = websockets_only
        for link in list(self._links):
            if mode == Mode.HOLE:
                link.lost = True
            elif self._forbidden(link):
                _reset(link)

    def _forbidden(self, link: Link) -> bool:
        return self._mode == Mode.CUT and (link.websocket or not self._websockets_only)

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK, backlog=1024)
        self.port = int(server.sockets[0].getsockname()[1])
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer, lost=self._mode == Mode.HOLE, ends=[writer])
        self._links.add(link)
        try:
            if self._forbidden(link):
                _reset(link)
            elif link.lost:
                await _drain_away(reader)
            else:
                await self._forward(link, reader)
        except OSError:
            _reset(link)
        finally:
            writer.close()
            self._links.discard(link)

    async def _forward(self, link: Link, reader: asyncio.StreamReader) -> None:
        answers, link.server = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        link.ends.append(link.server)
        await asyncio.gather(
            self._pump(link, reader, link.server), self._pump(link, answers, link.client)
        )

    async def _pump(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward one direction until its end, and pass that on, unless the link is lost."""
        first = writer is link.server
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if first:
                    first = False
                    link.websocket = data.startswith(b"GET /socket.io")
                    if self._forbidden(link):
                        _reset(link)
                        return
                if not link.lost:
                    writer.write(data)
                    await writer.drain()
        if link.lost:
            _other(link, writer).close()  # the end that has gone; the other one must not hear of it
            return
        writer.close()

    def _do(self, what: Callable[[], None]) -> None:
        async def run() -> None:
            what()

        self._run(run())

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _stop(self) -> None:
        self._server.close()
        for link in list(self._links):
            _reset(link)
        await asyncio.gather(
            *asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True
        )


def _other(link: Link, writer: asyncio.StreamWriter) -> asyncio.StreamWriter:
    """Return the end whose bytes go to `writer`."""
    return link.client if writer is link.server else link.server or link.client


def _reset(link: Link) -> None:
    for end in link.ends:
        raw = end.get_extra_info("socket")
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.transport.abort()


async def _drain_away(reader: asyncio.StreamReader) -> None:
    while await reader.read(CHUNK):
        pass

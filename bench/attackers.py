"""Hostile clients of a web process.

`python -m bench.attackers PORT SOCKETS REQUESTS KINDS [COOKIE]...`; KINDS, separated by commas,
are of SOCKETS and REQUESTS.

Each connection has an IP address of its own, so that no limit of an address stops it, and comes
back a second after it was ended. Each cookie is a visitor's with tasks to watch. Runs until killed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping
from contextlib import suppress

from bench.machine import allow_many_files
from tests.websockets import masked

BACK_SECONDS = 1.0
OPEN_SECONDS = 10.0
SMALL_BUFFER = 4096  # bytes that the kernel takes for a client that reads nothing
FLOOD = 200  # packets at a time
DRIP_SECONDS = 1.0  # between two bytes of a slow client
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
BODY_HEAD = "POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


class Client:
    """A connection that is written and read by hand. All of its methods may raise OSError."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cookie: str
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.cookie = f"Cookie: {cookie}\r\n" if cookie else ""

    @classmethod
    async def open(cls, port: int, source: str, cookie: str = "", buffer: int = 0) -> Client:
        """Connect from an address; `buffer` is the most bytes that wait in it to be read."""
        opened = socket.socket()
        opened.setblocking(False)
        if buffer:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        opened.bind((source, 0))
        await asyncio.wait_for(
            asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port)), OPEN_SECONDS
        )
        limit = buffer or 2**20
        return cls(*await asyncio.open_connection(sock=opened, limit=limit), cookie)

    def close(self) -> None:
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def say(self, *packets: str) -> None:
        """Send packets, each in a frame."""
        await self.send(b"".join(masked(packet.encode()) for packet in packets))

    async def drip(self, data: bytes) -> None:
        """Send byte by byte, while the server leaves the connection open."""
        for byte in data:
            await self.send(bytes([byte]))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.reader.read(1), DRIP_SECONDS)
                return

    async def wait(self) -> None:
        """Read until the server ends the connection."""
        while await self.reader.read(65536):
            pass

    async def join(self) -> None:
        """Open the websocket, and connect to Socket.IO."""
        await self.send(f"{HANDSHAKE}{self.cookie}\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            raise ConnectionRefusedError(head[:40])
        await self.say("40")
        while not (await self.hear()).startswith("40"):
            pass

    async def hear(self) -> str:
        """Return the next text; a ping is answered."""
        while True:
            first, size = await self.reader.readexactly(2)
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            text = (await self.reader.readexactly(size)).decode(errors="replace")
            if first & 15 == 8:
                raise ConnectionResetError(text)
            if text != "2":
                return text
            await self.say("3")

    async def request(self, method: str, path: str, body: str = "") -> str:
        """Return the body of an answer."""
        await self.send(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{self.cookie}"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        answer = (await self.reader.readexactly(length)).decode()
        if not head.startswith("http/1.1 2"):
            raise ConnectionRefusedError(head + answer)
        return answer


Attack = Callable[[Client], Awaitable[None]]


async def flood(client: Client) -> None:
    await client.join()
    while True:
        await client.say(*['42["watch",{"task_ids":["x"]}]'] * FLOOD)


async def endless_fragments(client: Client) -> None:
    await client.join()
    await client.send(masked(b"4", final=False))
    while True:
        await client.send(masked(b"2", opcode=0, final=False) * FLOOD)


async def garbage(client: Client) -> None:
    await client.join()
    while True:
        await client.send(os.urandom(random.randrange(1, 2000)))
        await asyncio.sleep(0)


async def bad_packets(client: Client) -> None:
    await client.join()
    while True:
        await client.say("44{", "47", '42["x"', "451-[]", "40/admin,", "4" + "[" * 3000)


async def deaf(client: Client) -> None:
    """Watch all tasks of a visitor eleven times, and read none of the answers."""
    listing = await Client.open(client.writer.get_extra_info("peername")[1], "127.0.0.1")
    listing.cookie = client.cookie
    tasks = json.loads(await listing.request("GET", "/tasks?limit=100"))["tasks"]
    listing.close()
    await client.join()
    watch = json.dumps(["watch", {"task_ids": [task["task_id"] for task in tasks]}])
    await client.say(*[f"42{watch}"] * 11)
    await asyncio.sleep(3600)


async def greedy(client: Client) -> None:
    """Ask for the list ten times a second."""
    await client.join()
    for number in itertools.count():
        await client.say(f'42{number}["watch_mine",{{}}]')
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                while True:
                    await client.hear()


async def no_pong(client: Client) -> None:
    await client.join()
    await client.wait()


async def silent(client: Client) -> None:
    await client.wait()


async def slow_handshake(client: Client) -> None:
    await client.drip(HANDSHAKE.encode())


async def slow_head(client: Client) -> None:
    await client.drip(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 500)


async def slow_body(client: Client) -> None:
    await client.send(f"{BODY_HEAD}Content-Length: 9999\r\n\r\n".encode())
    await client.drip(b"x" * 500)


async def slow_chunks(client: Client) -> None:
    await client.send(f"{BODY_HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    await client.drip(b"1\r\nx\r\n" * 100)


async def reads_no_answers(client: Client) -> None:
    await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
    await asyncio.sleep(3600)


SOCKETS: dict[str, Attack] = {
    each.__name__: each
    for each in (
        flood,
        endless_fragments,
        garbage,
        bad_packets,
        deaf,
        greedy,
        no_pong,
        silent,
        slow_handshake,
    )
}
REQUESTS: dict[str, Attack] = {
    each.__name__: each for each in (slow_head, slow_body, slow_chunks, reads_no_answers)
}
READ_NOTHING = (deaf, reads_no_answers)


def addresses() -> Iterator[str]:
    """Yield addresses of this machine's own, each once."""
    for number in itertools.count(1):
        yield f"127.1.{number // 250}.{number % 250 + 1}"


async def again_and_again(attack: Attack, port: int, source: str, cookie: str) -> None:
    """Attack, and come back after each end."""
    buffer = SMALL_BUFFER if attack in READ_NOTHING else 0
    await asyncio.sleep(random.random() * BACK_SECONDS)
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            client = await Client.open(port, source, cookie, buffer)
            try:
                await attack(client)
            finally:
                client.close()
        await asyncio.sleep(BACK_SECONDS)


async def attack(
    port: int, sockets: int, requests: int, names: Container[str], cookies: list[str]
) -> None:
    """Attack with so many websockets and plain HTTP clients of these kinds until cancelled."""
    kinds = itertools.chain(
        _each_in_turn(SOCKETS, names, sockets), _each_in_turn(REQUESTS, names, requests)
    )
    each = zip(kinds, addresses(), itertools.cycle(cookies or [""]), strict=False)
    async with asyncio.TaskGroup() as group:
        for kind, source, cookie in each:
            group.create_task(again_and_again(kind, port, source, cookie))


def _each_in_turn(
    kinds: Mapping[str, Attack], names: Container[str], count: int
) -> Iterator[Attack]:
    """Return so many attacks, of the kinds with these names; none where there is no such kind."""
    named = [attack for name, attack in kinds.items() if name in names]
    return itertools.islice(itertools.cycle(named), count)


def main() -> None:
    port, sockets, requests = map(int, sys.argv[1:4])
    allow_many_files()
    asyncio.run(attack(port, sockets, requests, sys.argv[4].split(","), sys.argv[5:]))


if __name__ == "__main__":
    main()

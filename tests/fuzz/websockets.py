"""Fuzzes the websockets of a web process: frames and packets, and calls with any payload.

Beside it good clients read, watch and are pushed to, all the time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from bench.attackers import HANDSHAKE, Client
from bench.hostile import Good, Times, p95, visitor
from headway.engine.frames import (
    CLOSE,
    FINAL,
    FLOOD,
    MASKED,
    NOT_A_MESSAGE,
    PING,
    PONG,
    TEXT,
    TOO_BIG,
)
from tests.fuzz.packets import call, changed, stream

CLIENTS = 16
GOOD = 3
SECONDS = 20.0  # for an answer, or the end of a connection
FROM_SERVERS = {FINAL | opcode for opcode in (TEXT, CLOSE, PING, PONG)}
ENDS_OF_CALLS = {NOT_A_MESSAGE, FLOOD, TOO_BIG}  # codes
MAX_CALLS = 8

Frame = tuple[int, bytes]


class Unsound(Exception):
    """What a server has sent is not what it may send."""


async def frame_of(client: Client) -> Frame:
    """Return the next frame. Raises Unsound for one that a server may not send."""
    first, second = await client.reader.readexactly(2)
    size = second
    if second == 126:
        size = int.from_bytes(await client.reader.readexactly(2))
    elif second == 127:
        size = int.from_bytes(await client.reader.readexactly(8))
    if first not in FROM_SERVERS or second & MASKED:
        raise Unsound(f"a frame begins with {first:02x} {second:02x}")
    data = await client.reader.readexactly(size)
    if first & 15 == TEXT and data[:1] not in (b"0", b"1", b"2", b"4"):
        raise Unsound(f"no packet: {data[:50]!r}")
    return first & 15, data


class Fuzzer:
    """Holds conversations with a web process, each made from the seed and its number."""

    def __init__(self, port: int, seed: int, seconds: float, cookie: str, task_id: str) -> None:
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []
        self._port = port
        self._seed = seed
        self._cookie = cookie
        self._task_id = task_id
        self._until = time.monotonic() + seconds
        self._numbers = itertools.count()

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._until or len(self.faults) > 10

    async def run(self) -> None:
        """Hold one conversation after the other until the time is over."""
        while not self.is_over:
            number = next(self._numbers)
            chance = random.Random(f"{self._seed} {number}")
            talk = self._call if chance.random() < 0.3 else self._garble
            try:
                await asyncio.wait_for(self._hold(talk, chance), 3 * SECONDS)
            except TimeoutError:
                self.faults.append(f"conversation {number} ({talk.__name__}) hangs")
            except Unsound as error:
                self.faults.append(f"conversation {number} ({talk.__name__}): {error}")
            self.seen[talk.__name__.strip("_")] += 1

    async def _hold(self, talk: Any, chance: random.Random) -> None:
        client = await Client.open(self._port, "127.0.0.1", self._cookie)
        try:
            await talk(client, chance)
        finally:
            client.close()

    async def _call(self, client: Client, chance: random.Random) -> None:
        """Send sound calls with any payloads: each is acknowledged, or closes with a code."""
        await client.join()
        for number in range(1, chance.randrange(2, MAX_CALLS)):
            await client.say(call(chance, number, self._task_id))
            code = await asyncio.wait_for(self._answer(client, number), SECONDS)
            if code:
                if code not in ENDS_OF_CALLS:
                    raise Unsound(f"a call closed it with {code}")
                self.seen[f"closed {code}"] += 1
                return

    async def _answer(self, client: Client, number: int) -> int:
        """Wait for the answer to a call; return 0, or the code that closes instead."""
        begin = f"43{number}".encode()
        while True:
            opcode, data = await frame_of(client)
            if opcode == CLOSE:
                return int.from_bytes(data[:2])
            if data == b"2":
                await client.say("3")
            if data.startswith(begin):
                [answer] = json.loads(data[len(begin) :])
                self.seen["refused" if "error" in answer else "answered"] += 1
                return 0

    async def _garble(self, client: Client, chance: random.Random) -> None:
        """Send anything in any pieces, end the sending, and read until the server ends."""
        head = f"{HANDSHAKE}{client.cookie}\r\n".encode()
        data = (changed(chance, head) if chance.random() < 0.1 else head) + stream(
            chance, self._task_id
        )
        with suppress(ConnectionError):
            while data:
                size = chance.choice((1, 2, 7, 100, 1500, len(data)))
                await client.send(data[:size])
                data = data[size:]
                if chance.random() < 0.1:
                    await asyncio.sleep(0)
            client.writer.write_eof()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await asyncio.wait_for(self._read_all(client), SECONDS)

    async def _read_all(self, client: Client) -> None:
        head = await client.reader.readuntil(b"\r\n\r\n")
        status = head[9:12].decode()
        self.seen[status] += 1
        if status >= "500":
            raise Unsound(f"answered {head[:200]!r}")
        while status == "101":
            opcode, data = await frame_of(client)
            if opcode == CLOSE:
                self.seen[f"closed {int.from_bytes(data[:2])}"] += 1
        await client.wait()


async def _fuzz(address: str, seed: int, seconds: float) -> tuple[Fuzzer, Times]:
    port = int(address.rpartition(":")[2])
    cookie, [task_id] = visitor(address, 1)
    fuzzer = Fuzzer(port, seed, seconds, cookie, task_id)
    good = []
    for number in range(GOOD):
        own, [its_task] = visitor(address, 1)
        good.append(Good(port, number, own, its_task))
        await good[-1].connect()
    times: Times = defaultdict(list)
    used = [each.use(lambda: fuzzer.is_over, times, fuzzer.faults) for each in good]
    await asyncio.gather(*used, *(fuzzer.run() for _ in range(CLIENTS)))
    for each in good:
        each.close()
    return fuzzer, times


def run(address: str, seed: int, seconds: float) -> Iterator[str]:
    """Fuzz for so long; yield what is wrong, and say what was seen."""
    fuzzer, times = asyncio.run(_fuzz(address, seed, seconds))
    print(f"websockets: {dict(sorted(fuzzer.seen.items()))}")
    for way, each in times.items():
        print(f"a good client's {way}: {len(each)}, p95 {p95(each) * 1000:.0f} ms")
    yield from fuzzer.faults

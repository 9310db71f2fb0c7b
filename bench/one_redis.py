"""Calls one Redis as many workers do, with calls made beforehand: only Redis's part is measured."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.app.task import Context
from hiredis import pack_command

from bench.machine import cpu_seconds
from bench.peers.pace import STATUS, TOTAL
from bench.processes import Failed
from headway.celery.backend import LiveBackend
from headway.celery.storing.fencing import FENCE, delivery_of
from headway.shapes import TaskMessage
from headway.snapshot import Phase
from headway.store.functions import Functions
from headway.store.keys import room
from headway.store.runs import RunRecords
from tests.processes import Valkey

APART_SECONDS = 0.001
WRITTEN = b"$7\r\nwritten\r\n"
MESSAGE_HEAD = b"*3\r\n"
OWNER = "ada"

# The least that a report needs: it reads its record once, writes it once and publishes twice.
LEAN = """#!lua name=lean
redis.register_function('lean', function(keys, args)
  local record = keys[1]
  local clock = redis.call('TIME')
  local fields = redis.call('HMGET', record, 'phase', 'fence', 'generation', 'static', 'owner',
    'streams', 'version', 'current', 'total', 'status', 'step', 'max_fraction', 'bar', 'point_due',
    'parts')
  local version = string.format('%.0f', clock[1] * 1000000 + clock[2])
  redis.call('HSET', record, 'version', version, 'current', args[2], 'updated_at', version)
  local event = '["snapshot",{"task_id":"' .. args[1] .. '","version":' .. version ..
    ',"current":' .. args[2] .. ',"total":' .. fields[9] .. ',"status":' .. fields[10] .. ',' ..
    fields[4] .. '}]'
  redis.call('PUBLISH', 'flask-socketio:task:' .. args[1], event)
  redis.call('PUBLISH', 'flask-socketio:owner:' .. fields[5], event)
  return 'written'
end)
"""


class Capture:
    """In the place of a client: keeps the call that it is to send."""

    def __init__(self) -> None:
        self.call = b""

    def begin_function(
        self, function: str, keys: Sequence[str], args: Sequence[Any]
    ) -> Callable[[], Any]:
        self.call = _packed(function, keys, args)
        return lambda: "written"


class OneRedis:
    """A Valkey with tasks that are claimed, and connections that report for them."""

    def __init__(self, valkey: Valkey, tasks: int, connections: int) -> None:
        self._valkey = valkey
        self._pid = valkey.process.popen.pid
        app = Celery("bench", broker=valkey.url, backend=f"headway+{valkey.url}")
        self.backend: LiveBackend = app.backend
        self.records = self.backend.records
        self._capture = Capture()
        functions = Functions(self._capture, self.records.keys)  # type: ignore[arg-type]
        self._runs = RunRecords(functions, self.records.ttl, 0)
        self._done = count()  # never falls: no bar goes back
        self.requests = [self.started() for _ in range(tasks)]
        self.records.client.execute_command("FUNCTION", "LOAD", LEAN)
        address = ("127.0.0.1", valkey.port)
        self._connections = [socket.create_connection(address) for _ in range(connections)]

    def started(self) -> Context:
        """Return the request of a new task that is claimed."""
        message: TaskMessage = {
            "task": "send_async_email",
            "args": [],
            "kwargs": {"email": "ada@example.com"},
            "options": {"queue": "celery"},
        }
        title = "E-mail to ada@example.com"
        task_id = self.records.starts.create(
            owner=OWNER, message=message, title=title, max_attempts=4
        ).task_id
        request = Context(id=task_id, task="send_async_email", hostname="celery@bench")
        setattr(request, FENCE, uuid4().hex)
        delivery = delivery_of(request)
        self.records.runs.claim(
            task_id, delivery, "run", message=message, max_attempts=4, hostname="celery@bench"
        )
        return request

    def reports(self, number: int) -> list[bytes]:
        """Return so many calls, each the next task's report."""
        return [self._report(self.requests[i % len(self.requests)]) for i in range(number)]

    def lean(self, number: int) -> list[bytes]:
        """Return as many calls of what a report needs at least."""
        asked = (str(self.requests[i % len(self.requests)].id) for i in range(number))
        return [
            _packed("lean", [self.records.keys.record(task_id)], [task_id, next(self._done)])
            for task_id in asked
        ]

    def watch(self) -> Callable[[], int]:
        """Have one process listen to all these tasks and to their owner.

        Returns a function that ends it and returns how many messages came.
        """
        pubsub = self.records.client.pubsub()
        rooms = [room("task", each.id) for each in self.requests] + [room("owner", OWNER)]
        pubsub.subscribe(*map(self.records.keys.channel, rooms))
        for _ in rooms:
            pubsub.get_message(timeout=5)
        connection = pubsub.connection._sock
        received = [0]

        def read() -> None:
            rest = b""  # the beginning of a message may come in two pieces
            while data := connection.recv(1 << 20):
                received[0] += (rest + data).count(MESSAGE_HEAD)
                rest = (rest + data)[1 - len(MESSAGE_HEAD) :]

        thread = threading.Thread(target=read, daemon=True)
        thread.start()

        def end() -> int:
            time.sleep(0.1)  # for what is on its way
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()
            pubsub.close()
            return received[0]

        return end

    def saturated(self, calls: Sequence[bytes]) -> float:
        """Make calls over all connections; return Redis's CPU, in us a call.

        Redis is stopped while one call waits on each connection: so it is with a Redis that is
        busy all the time, and how fast this process is does not matter.
        """
        began = cpu_seconds(self._pid)
        for start in range(0, len(calls), len(self._connections)):
            self._valkey.freeze()
            turn = list(zip(self._connections, calls[start:], strict=False))
            for connection, call in turn:
                connection.sendall(call)
            self._valkey.thaw()
            for connection, _ in turn:
                _expect_written(connection)
        return (cpu_seconds(self._pid) - began) / len(calls) * 1e6

    def alone(self, calls: Sequence[bytes]) -> float:
        """Make calls one by one, a while apart, when Redis has fallen asleep."""
        connection = self._connections[0]
        began = cpu_seconds(self._pid)
        for call in calls:
            connection.sendall(call)
            _expect_written(connection)
            time.sleep(APART_SECONDS)
        return (cpu_seconds(self._pid) - began) / len(calls) * 1e6

    def stop(self) -> None:
        for connection in self._connections:
            connection.close()
        self.records.client.close()

    def _report(self, request: Context) -> bytes:
        meta = {"current": next(self._done), "total": TOTAL, "status": STATUS}
        write = self.backend.states.writes.write_of(
            request.id, meta, "PROGRESS", None, request, Phase.RUNNING
        )
        self._runs.begin_write(write)
        return self._capture.call


def _packed(function: str, keys: Sequence[str], args: Sequence[Any]) -> bytes:
    return bytes(pack_command(("FCALL", function, len(keys), *keys, *args)))


def _expect_written(connection: socket.socket) -> None:
    data = connection.recv(4096)
    while len(data) < len(WRITTEN):
        data += connection.recv(4096)
    if data != WRITTEN:
        raise Failed(f"Redis answered {data[:200]!r} to a report.")

"""Forms of data that Headway and another library both know, and what a changed one would be."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import engineio.packet
import hiredis
import socketio
from celery import Celery
from kombu.connection import Connection
from kombu.transport.virtual import Channel

NAMES = """
argsrepr eta expires group group_index id ignore_result kwargsrepr lang parent_id
replaced_task_nesting retries root_id shadow stamped_headers stamps task timelimit
"""
HEADERS = set(NAMES.split())
MESSAGE_KEYS = {"body", "content-encoding", "content-type", "headers", "properties"}
PROPERTIES = {"body_encoding", "delivery_info", "delivery_tag", "priority", "reply_to"}
FOLLOWING = {"callbacks", "errbacks", "chain", "chord"}
PUSHES = [[b"subscribe", b"a", 1], [b"message", b"a", b"1"], [b"subscribe", b"b", 2]]


class Form(NamedTuple):
    """What the installed version is looked at by, and what one that has changed would be."""

    real: Any
    changed: Any
    check: Callable[[Any], None]


def protocol_2(make: Callable[..., Any]) -> None:
    message = make("an-id", "a.task", (1,), {"b": 2}, origin="here")
    args, kwargs, embed = message.body
    assert set(message.headers) >= HEADERS, f"without {HEADERS - set(message.headers)}"
    assert (list(args), kwargs, set(embed)) == ([1], {"b": 2}, FOLLOWING)
    assert message.properties["correlation_id"] == "an-id"


def queued_message(channel: Any) -> None:
    properties = {"reply_to": "y"}
    message = channel.prepare_message("e30=", None, "text/json", "utf-8", {"id": "x"}, properties)
    channel._inplace_augment_message(message, "", "mail")
    properties = message["properties"]
    assert (set(message), set(properties)) == (MESSAGE_KEYS, PROPERTIES)
    assert properties["delivery_info"] == {"exchange": "", "routing_key": "mail"}
    assert properties["body_encoding"] == "base64"


def engine_packets(packet: Any) -> None:
    kinds = [packet.OPEN, packet.CLOSE, packet.PING, packet.PONG, packet.MESSAGE]
    assert [packet.Packet(kind, "x").encode() for kind in kinds] == ["0x", "1x", "2x", "3x", "4x"]


def socket_packets(packet: Any) -> None:
    assert [packet.CONNECT, packet.DISCONNECT, packet.EVENT, packet.ACK] == [0, 1, 2, 3]
    assert [packet.BINARY_EVENT, packet.BINARY_ACK] == [5, 6]
    assert packet.Packet(packet.EVENT, ["snapshot", {}]).encode() == '2["snapshot",{}]'
    assert packet.Packet(packet.ACK, [{}], id=7).encode() == "37[{}]"


def options_reach(server: Any) -> None:
    class Recording(server):
        def _engineio_server_class(self) -> Any:
            return Engine

    class Engine:
        def __init__(self, **options: Any) -> None:
            self.options = options

        async_mode = "threading"

        def on(self, *_: Any) -> None:
            """Nothing happens here."""

    options = Recording(async_mode="threading", max_sockets=3, refuses=len).eio.options
    assert options.get("async_mode") == "threading"
    assert (options.get("max_sockets"), options.get("refuses")) == (3, len)


def order_of_pushes(reader: Any) -> None:
    for push in PUSHES:
        reader.feed(b"*3\r\n" + b"".join(map(_encoded, push)))
    assert [reader.gets() for _ in range(4)] == [*PUSHES, False]


def _encoded(value: Any) -> bytes:
    return b":%d\r\n" % value if isinstance(value, int) else b"$%d\r\n%b\r\n" % (len(value), value)


def functions(client: Any) -> None:
    name = "headway_seams"
    body = "function(KEYS, ARGV) return {KEYS[1], ARGV[1], #redis.call('TIME')} end"
    named = f"function_name='{name}', flags={{'allow-oom'}}, callback={body}"
    library = f"#!lua name={name}\nredis.register_function{{{named}}}"
    client.execute_command("FUNCTION", "LOAD", "REPLACE", library)
    try:
        assert client.execute_command("FCALL", name, 1, "key", "word") == [b"key", b"word", 2]
    finally:
        client.execute_command("FUNCTION", "DELETE", name)


def subscription_answers(client: Any) -> None:
    pubsub = client.pubsub()
    pubsub.subscribe("one", "two")
    pubsub.unsubscribe("one")
    pubsub.subscribe("one")
    answers = [pubsub.get_message(timeout=20) for _ in range(4)]
    pubsub.close()
    told = [(answer["type"], answer["channel"]) for answer in answers if answer]
    kinds = ["subscribe", "subscribe", "unsubscribe", "subscribe"]
    assert told == list(zip(kinds, [b"one", b"two", b"one", b"one"], strict=True))


def _without_headers(*args: Any, **options: Any) -> Any:
    message = PROTOCOL_2(*args, **options)
    changed = {"id": args[0]}
    return SimpleNamespace(body=message.body, properties=message.properties, headers=changed)


class _Unaugmented(Channel):
    def _inplace_augment_message(self, message: Any, exchange: str, routing_key: str) -> None:
        message["properties"]["delivery_info"] = {"route": routing_key}


class _OtherPackets:
    OPEN, CLOSE, PING, PONG, MESSAGE, *_ = range(1, 9)
    CONNECT, DISCONNECT, EVENT, ACK, BINARY_EVENT, BINARY_ACK, *_ = range(1, 9)
    Packet = engineio.packet.Packet


class _Swallowing(socketio.Server):
    def __init__(self, **options: Any) -> None:
        super().__init__(async_mode=options["async_mode"])


class _Reordering:
    def __init__(self) -> None:
        self._replies: list[Any] = []
        self._reader = hiredis.Reader()

    def feed(self, data: bytes) -> None:
        self._reader.feed(data)
        self._replies.insert(0, self._reader.gets())

    def gets(self) -> Any:
        return self._replies.pop(0) if self._replies else False


class _Shuffling:
    """A Redis that knows no functions, and confirms one subscription for another."""

    def execute_command(self, *words: Any) -> Any:
        assert words[0] != "FCALL", "unknown command"

    def pubsub(self) -> Any:
        return self

    def subscribe(self, *channels: str) -> None:
        """Whatever is asked for."""

    unsubscribe = subscribe

    def get_message(self, timeout: float) -> dict[str, Any]:
        return {"type": "subscribe", "channel": b"two"}

    def close(self) -> None:
        """There is nothing to close."""


def _channel(kind: type[Channel]) -> Channel:
    return kind(Connection("memory://").transport)


PROTOCOL_2 = Celery(set_as_current=False).amqp.as_task_v2
# By their names on the page, each made for its check, with a client of a Redis.
FORMS: dict[str, Callable[[Any], Form]] = {
    "celery protocol 2": lambda _: Form(PROTOCOL_2, _without_headers, protocol_2),
    "message in a queue": lambda _: Form(*map(_channel, (Channel, _Unaugmented)), queued_message),
    "engine packets": lambda _: Form(engineio.packet, _OtherPackets, engine_packets),
    "socket packets": lambda _: Form(socketio.packet, _OtherPackets, socket_packets),
    "options reach the engine": lambda _: Form(socketio.Server, _Swallowing, options_reach),
    "order of pushes": lambda _: Form(hiredis.Reader(), _Reordering(), order_of_pushes),
    "functions": lambda client: Form(client, _Shuffling(), functions),
    "answers to subscriptions": lambda client: Form(client, _Shuffling(), subscription_answers),
}

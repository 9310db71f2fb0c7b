"""Keeps messages whose arguments JSON cannot hold, such as those of `serializer="pickle"`.

The record keeps a Celery signature as JSON. Arguments sent with another serializer are kept as that
encodes them, in base64, so that the same message can be sent again; they are decoded only where the
project accepts that content.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from kombu.serialization import dumps, loads, prepare_accept_content, registry

from headway.shapes import EncodedArguments, TaskMessage

SERIALIZER = "headway_serializer"  # the request's key for the serializer of its message
# Options that name other tasks, with arguments of their own.
FOLLOWING = ("chord", "chain", "link", "link_error")


def serializer_of(content_type: str | None) -> str:
    """Return the name of the serializer for a content type; "json" for None."""
    return str(registry.type_to_name.get(content_type, content_type or "json"))


def encode(message: TaskMessage, serializer: str) -> TaskMessage:
    """Return a Celery signature as a record keeps it; raises what the serializer does."""
    if serializer == "json":
        return message
    options = dict(message["options"])
    following = {name: options.pop(name) for name in FOLLOWING if options.get(name)}
    content = [message["args"], message["kwargs"], following]
    content_type, content_encoding, data = dumps(content, serializer=serializer)
    raw = data.encode(content_encoding) if isinstance(data, str) else data
    kept: EncodedArguments = {
        "type": content_type,
        "encoding": content_encoding,
        "data": b64encode(raw).decode(),
    }
    return {
        **message,
        "args": [],
        "kwargs": {},
        "options": options | {"serializer": serializer},
        "encoded": kept,
    }


def decode(message: TaskMessage, accept: Any) -> TaskMessage:
    """Return the Celery signature of a kept message.

    Raises ContentDisallowed for a content type that `accept` does not name.
    """
    if "encoded" not in message:
        return message
    kept = message["encoded"]
    raw = b64decode(kept["data"])
    content = loads(raw, kept["type"], kept["encoding"], accept=prepare_accept_content(accept))
    args, kwargs, following = content
    options = {**message["options"], **following}
    plain: TaskMessage = {**message, "args": args, "kwargs": kwargs, "options": options}
    del plain["encoded"]
    return plain

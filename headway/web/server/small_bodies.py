"""Small bodies are waited for before any view begins: one that waits takes some 70 kB."""

from __future__ import annotations

from headway.web.server.incoming import Incoming
from headway.web.server.request_head import MAX_CHUNK_LINE_BYTES, BadSyntax, ChunkLines, Head

SMALL_BODY_BYTES = 64 * 1024
# A body that comes at least as fast may take longer than a request has: it may be a large file.
SECOND_BYTES = 16 * 1024


def await_small_body(incoming: Incoming, head: Head) -> None:
    """Wait until a small body has arrived; one in chunks gets a length.

    One that turns out to be large is left as it was, and so is that of a client that waits to be
    asked for it. Raises BadSyntax, TimeoutError.
    """
    if head.awaits_continue:
        return
    if head.is_chunked:
        _join_chunks(incoming, head)
    elif head.length <= SMALL_BODY_BYTES:
        _await(incoming, head.length)


def _join_chunks(incoming: Incoming, head: Head) -> None:
    body = bytearray()
    chunks = ChunkLines()
    while not chunks.is_complete:
        line = incoming.take_line(MAX_CHUNK_LINE_BYTES)
        size = chunks.add(line)
        if len(body) + size > SMALL_BODY_BYTES:
            incoming.data[:0] = _as_chunk(body) + line
            return
        _await(incoming, size)
        body += incoming.take(size)
    incoming.data[:0] = body
    head.set_length(len(body))


def _as_chunk(body: bytearray) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), bytes(body)) if body else b""


def _await(incoming: Incoming, size: int) -> None:
    incoming.wait_longer(size / SECOND_BYTES)
    while len(incoming.data) < size:
        if not incoming.receive():
            raise BadSyntax("a body that ends too early")

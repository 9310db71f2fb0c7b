"""Checks a request's lines against RFC 9112, before a server's own parser sees them.

What a parser tolerates, another one reads differently: behind a proxy a body then becomes a
request of somebody else's. So nothing is tolerated.
"""

from __future__ import annotations

import re

# A server's parser takes up to 8192 as a whole line.
MAX_LINE_BYTES = 8190
MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 99  # a server's parser takes up to 100 with the empty line after them
MAX_CHUNK_LINE_BYTES = 100
CRLF = b"\r\n"

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# Of a path, of a whole address as for a proxy, or of the server (`OPTIONS *`).
TARGET = rb'(?:/[!-"$-~]*|[A-Za-z][A-Za-z0-9+.-]*://[!-"$-~]+|\*)'
REQUEST_LINE = re.compile(TOKEN + b" " + TARGET + rb" HTTP/1\.([01])\r\n")
FIELD = re.compile(rb"(" + TOKEN + rb"):([\t -~\x80-\xff]*)\r\n")
HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
LENGTH = re.compile(rb"[0-9]{1,15}")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?\r\n")
# A second one of these, or one that is read differently, moves the end of the request.
SINGLE_FIELDS = frozenset({b"host", b"content-length", b"transfer-encoding"})


class BadSyntax(Exception):
    """A request breaks RFC 9112 or a limit; `status` is the status line's end to answer with."""

    def __init__(self, reason: str, status: str = "400 Bad Request") -> None:
        super().__init__(reason)
        self.status = status


class Head:
    """The head of one request; `length` is its body's, if it `is_chunked` not known yet.

    Who `awaits_continue` sends the body when the server has answered 100.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.length = 0
        self.is_chunked = False
        self.awaits_continue = False
        self._size = 0
        self._minor = b""  # of HTTP's version
        self._single: dict[bytes, bytes] = {}

    def add(self, line: bytes) -> bool:
        """Check the next line; return whether the head is complete. Raises BadSyntax."""
        self._size += len(line)
        if self._size > MAX_HEAD_BYTES or len(self.lines) > MAX_FIELDS + 1:
            raise BadSyntax("a head that is too large", "431 Request Header Fields Too Large")
        if not self.lines:
            return self._add_request_line(line)
        self.lines.append(line)
        if line == CRLF:
            self._set_framing()
            return True
        found = FIELD.fullmatch(line)
        if found is None:
            raise BadSyntax("a line that is no header")
        name = found[1].lower()
        self.awaits_continue |= name == b"expect"
        if name in SINGLE_FIELDS:
            if name in self._single:
                raise BadSyntax(f"two headers {name.decode()}")
            self._single[name] = found[2].strip()
        return False

    def set_length(self, length: int) -> None:
        """Give the body, whose chunks have been joined, a length."""
        kept = [line for line in self.lines[:-1] if line[:18].lower() != b"transfer-encoding:"]
        self.lines = [*kept, b"Content-Length: %d\r\n" % length, CRLF]
        self.length = length
        self.is_chunked = False

    def _add_request_line(self, line: bytes) -> bool:
        if line == CRLF and self._size == len(CRLF):
            return False  # an empty line before the request, as old clients send after a form
        found = REQUEST_LINE.fullmatch(line)
        if found is None:
            raise BadSyntax("a bad request line")
        self._minor = found[1]
        self.lines.append(line)
        return False

    def _set_framing(self) -> None:
        host = self._single.get(b"host")
        if host is None and self._minor == b"1":
            raise BadSyntax("no host")
        if host is not None and not HOST.fullmatch(host):
            raise BadSyntax("a bad host")
        coding = self._single.get(b"transfer-encoding")
        length = self._single.get(b"content-length")
        if coding is not None:
            if coding.lower() != b"chunked" or length is not None or self._minor == b"0":
                raise BadSyntax("a bad transfer coding")
            self.is_chunked = True
        elif length is not None:
            if not LENGTH.fullmatch(length):
                raise BadSyntax("a bad length")
            self.length = int(length)


class ChunkLines:
    """Checks the lines of a chunked body: sizes, the ends of chunks, trailers."""

    def __init__(self) -> None:
        self.is_complete = False
        self._ends_chunk = False
        self._is_trailer = False

    def add(self, line: bytes) -> int:
        """Check the next line; return how many bytes of data follow it. Raises BadSyntax."""
        if self._ends_chunk:
            if line != CRLF:
                raise BadSyntax("a chunk that does not end")
            self._ends_chunk = False
            return 0
        if self._is_trailer:
            if line != CRLF and not FIELD.fullmatch(line):
                raise BadSyntax("a bad trailer")
            self.is_complete = line == CRLF
            return 0
        found = CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise BadSyntax("a bad chunk size")
        size = int(found[1], 16)
        self._ends_chunk = size > 0
        self._is_trailer = size == 0
        return size

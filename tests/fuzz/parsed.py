"""The program that atheris runs: whatever a parser raises but a refusal is a finding."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["headway"]):
    from headway.engine.frames import FrameParser, ProtocolError
    from headway.engine.packets import MESSAGE, is_sound, read_packets
    from headway.web.server.request_head import BadSyntax, ChunkLines, Head

LARGEST = 150  # bytes of a message


def frames(data: bytes) -> None:
    """Read frames that arrive in two pieces."""
    parser = FrameParser(LARGEST)
    middle = len(data) // 2
    try:
        for piece in (data[:middle], data[middle:]):
            for kind, payload in read_packets(parser, piece):
                assert len(payload) <= LARGEST
                if kind == MESSAGE:
                    is_sound(payload.decode())
    except ProtocolError:
        pass
    assert len(parser._parts) <= LARGEST


def packet(data: bytes) -> None:
    """Judge a packet."""
    is_sound(data.decode(errors="ignore"))


def head(data: bytes) -> None:
    """Check the lines of a head."""
    _check(Head(), data)


def chunks(data: bytes) -> None:
    """Check the lines between chunks."""
    _check(ChunkLines(), data)


def _check(reader: Head | ChunkLines, data: bytes) -> None:
    try:
        for line in data.splitlines(keepends=True):
            reader.add(line)
    except BadSyntax:
        pass


PARSERS = (frames, packet, head, chunks)


def parse(data: bytes) -> None:
    """Hand an input to the parser that its first byte names."""
    if data:
        PARSERS[data[0] % len(PARSERS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, parse)
    atheris.Fuzz()

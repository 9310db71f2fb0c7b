"""The names and types of files: those that tasks give out, and those that people upload."""

from __future__ import annotations

import codecs
import re
import unicodedata

MAX_NAME_BYTES = 200
MAX_SUFFIX = 20  # characters, of a name that is cut
HEAD_BYTES = 4096  # of a file, by which its type is told
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,80}")
BINARY = "application/octet-stream"
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"%PDF-": "application/pdf",
    b"PK\x03\x04": "application/zip",
    b"\x1f\x8b": "application/gzip",
}
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# Of what is text, by the end of its name. No type that a browser runs is among them.
TEXTS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".md": "text/markdown",
}
# Separators of paths, and the categories of characters that show nothing or move what is around
# them: controls, formats, surrogates, line and paragraph separators.
SEPARATORS = frozenset("/\\")
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_file_name(name: object) -> bool:
    """Whether a file may have this name: one visible line that is no path."""
    return (
        isinstance(name, str)
        and name.strip() == name
        and name not in ("", ".", "..")
        and not any(one in SEPARATORS or unicodedata.category(one) in INVISIBLE for one in name)
        and len(name.encode()) <= MAX_NAME_BYTES
    )


def file_name(name: str) -> str:
    """Return a name that a client gives a file, as one that a file may have: "file" without any.

    Of a path it is the last part; what shows nothing is left out, and the end of its stem is cut.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(one for one in last if unicodedata.category(one) not in INVISIBLE).strip()
    stem, dot, end = shown.rpartition(".")
    suffix = f"{dot}{end}" if stem and len(end) <= MAX_SUFFIX else ""
    room = MAX_NAME_BYTES - len(suffix.encode())
    cut = shown.removesuffix(suffix).encode()[:room].decode(errors="ignore").strip() + suffix
    return cut if is_file_name(cut) else "file"


def media_type(name: str, head: bytes) -> str:
    """Return the type of a file that begins so, its first HEAD_BYTES.

    What it holds says whether it is text; only of a text does the end of its name say which.
    """
    for signature, found in SIGNATURES.items():
        if head.startswith(signature):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if not _is_text(head):
        return BINARY
    ends = [found for end, found in TEXTS.items() if name.lower().endswith(end)]
    return ends[0] if ends else "text/plain"


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:  # its last character may be cut
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True

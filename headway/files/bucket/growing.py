"""A file in a bucket that one process writes while others read it: segments, an object each."""

from __future__ import annotations

from headway.files.bucket.objects import Objects

SEGMENT_BYTES = 1024 * 1024


def segment_name(name: str, start: int) -> str:
    """Return the name of the object that holds a file from a byte on; they sort by that."""
    return f"{name}.{start:015}"


class GrowingBucketFile:
    """Writes segments; a segment that is not full yet is written again, longer, at each sync."""

    def __init__(self, objects: Objects, name: str, key: str) -> None:
        self.key = key
        self._objects = objects
        self._name = name
        self._start = 0  # of the segment that is not full
        self._segment = bytearray()
        self._synced = 0  # bytes of it

    def write(self, data: bytes) -> None:
        """Add to the file."""
        self._segment += data
        while len(self._segment) >= SEGMENT_BYTES:
            self._put(SEGMENT_BYTES)
            self._start += SEGMENT_BYTES
            del self._segment[:SEGMENT_BYTES]
            self._synced = 0

    def sync(self) -> None:
        """Have all that was written be read."""
        if len(self._segment) > self._synced:
            self._put(len(self._segment))
            self._synced = len(self._segment)

    def close(self) -> None:
        """Write no more."""
        self._segment.clear()

    def _put(self, size: int) -> None:
        self._objects.put(segment_name(self._name, self._start), bytes(self._segment[:size]))

"""What is kept of the bytes before a place in a file, to know it again."""

from __future__ import annotations

import zlib
from typing import IO, NamedTuple

from rq_steps.sources.files import read

HEAD = 1024
"""The first bytes of a file, as far as they are before the place."""
TAIL = 256
"""The last bytes before the place."""


class Fingerprint(NamedTuple):
    """The first and the last bytes before a place."""

    head: bytes
    tail: bytes

    @classmethod
    def read(cls, file: IO[bytes], offset: int) -> Fingerprint:
        """That of this place. A file that ends before has less."""
        file.seek(0)
        head = read(file, min(HEAD, offset))
        file.seek(max(offset - TAIL, 0))
        return cls(head, read(file, min(TAIL, offset)))

    def behind(self, data: bytes | memoryview, size: int) -> Fingerprint:
        """That of the place behind so many of the bytes that follow."""
        head, tail = self.head, bytes(data[max(size - TAIL, 0) : size])
        if len(head) < HEAD:
            head += bytes(data[: min(HEAD - len(head), size)])
        if len(tail) < TAIL:
            tail = (self.tail + tail)[-TAIL:]
        return Fingerprint(head, tail)

    @property
    def checksum(self) -> str:
        """Of both."""
        return checksum(self.head + self.tail)


def checksum(data: bytes) -> str:
    """Eight digits, which another content is not likely to have."""
    return f"{zlib.crc32(data):08x}"

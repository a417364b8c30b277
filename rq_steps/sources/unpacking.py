"""What was compressed: where it is spoiled, or cut off."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

# What is raised of bytes that cannot be decompressed, in modules that are loaded where they can.
_SPOILED = {
    "backports.zstd": "ZstdError",
    "compression.zstd": "ZstdError",
    "lzma": "LZMAError",
    "zipfile": "BadZipFile",
    "zlib": "error",
    "zstandard": "ZstdError",
}
_PART = 4096
"""Bytes: what repeats itself is unpacked to ten thousand times as many."""


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Have errors say which file cannot be decompressed.

    Raises:
        OSError: it is spoiled, or ends too soon.
    """
    spoiled = (getattr(sys.modules.get(each), what, OSError) for each, what in _SPOILED.items())
    try:
        yield
    except (EOFError, OSError, *spoiled) as error:
        # An error of reading the bytes has a number, or the name already.
        if getattr(error, "errno", None) is not None or name in str(error):
            raise
        raise OSError(f"{name} cannot be decompressed: {error}") from error


class ZstdFile(io.RawIOBase):
    """The content of a zstd file, frame by frame.

    The readers of zstandard take a frame that is cut off for one that has ended.

    Args:
        zstandard: the module.
    """

    def __init__(self, file: IO[bytes], zstandard: Any) -> None:
        self._file = file
        self._begin_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._rest = b""
        self._content = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any, /) -> int:
        while not self._content and (packed := self._rest or self._file.read(_PART)):
            self._unpack(packed)
        if not self._content and self._frame is not None and not self._frame.eof:
            raise EOFError("it ends within a frame")
        size = min(len(buffer), len(self._content))
        buffer[:size], self._content = self._content[:size], self._content[size:]
        return size

    def _unpack(self, packed: bytes) -> None:
        if self._frame is None or self._frame.eof:
            self._frame = self._begin_frame()
        self._content = memoryview(self._frame.decompress(packed))
        self._rest = self._frame.unused_data

"""A file that is fetched from far away, part by part, or only from its beginning on."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

_LEAST = 64 * 1024
_MOST = 8 * 1024 * 1024
"""Bytes that are fetched at once: few at any new place, where perhaps only the head of the file is
wanted, and twice as many each time while it is read on."""


class _Readable(io.RawIOBase):
    """A file that can be read, and knows its place."""

    _at = 0
    _size: int | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if begin is None:
            raise io.UnsupportedOperation("its end is not known")
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _some(self, most: int) -> bytes | memoryview:
        """Bytes from here on, at least one unless it is the end."""
        raise NotImplementedError


class Fetched(_Readable):
    """A file that can be read from any place, without a cache: fsspec's are as large as 50 MB.

    Args:
        file: as fsspec has opened it.
        named: errors in it get the name of the file.
        forward: the same file, where the server turns out to give none of its parts.
        closes: is the file closed with this?
        system: is held on to: with it goes an archive that the file is in.
    """

    def __init__(
        self,
        file: Any,
        named: Callable[[], AbstractContextManager[None]],
        forward: Forward | None = None,
        *,
        closes: bool = True,
        system: object = None,
    ) -> None:
        self._file = file
        self._named = named
        self._forward = forward
        self._closes = closes
        self._system = system
        size = getattr(file, "size", None)
        self._size = size if isinstance(size, int) else None
        self._part = memoryview(b"")
        self._begin = 0
        self._length = 0

    def close(self) -> None:
        if not self.closed and self._closes:
            self._file.close()
        super().close()

    def _some(self, most: int) -> memoryview:
        if self._size is not None and self._at >= self._size:
            return memoryview(b"")
        within = self._at - self._begin
        if not 0 <= within < len(self._part):
            self._fetch()
            within = 0
        return self._part[within : within + most]

    def _fetch(self) -> None:
        goes_on = self._at == self._begin + len(self._part)
        self._length = min(max(2 * self._length * goes_on, _LEAST), _MOST)
        with self._named():
            self._part = memoryview(self._read())
        self._begin = self._at

    def _read(self) -> bytes:
        data = self._read_some()
        if not data and self._size is not None:
            raise OSError(f"it ends at byte {self._at}, and was of {self._size} bytes")
        return data

    def _read_some(self) -> bytes:
        try:
            self._file.seek(self._at)
            data: bytes = self._file.read(self._length)
        except ValueError:
            if self._forward is None:
                raise
            self._file.close()
            self._file, self._forward = self._forward, None
            return self._read_some()
        return data


class Forward(_Readable):
    """A file that can only be read on. To go back, it is opened again.

    Args:
        opens: at its beginning.
        named: errors in it get the name of the file.
    """

    def __init__(
        self,
        opens: Callable[[], Any],
        named: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._opens = opens
        self._named = named
        self._file: Any = None
        self._read_up_to = 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _some(self, most: int) -> bytes:
        if self._file is None or self._at < self._read_up_to:
            self._open_again()
        while self._read_up_to < self._at:
            if not self._read(min(self._at - self._read_up_to, _MOST)):
                return b""
        return self._read(most)

    def _open_again(self) -> None:
        if self._file is not None:
            self._file.close()
        with self._named():
            self._file, self._read_up_to = self._opens(), 0

    def _read(self, most: int) -> bytes:
        with self._named():
            data: bytes = self._file.read(most)
        self._read_up_to += len(data)
        return data

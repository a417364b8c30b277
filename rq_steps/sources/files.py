"""Files that can be read from any place: a path, an open binary file, an fsspec URL."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import IO, Any, TypeAlias

from rq_steps.sources.remote import (
    Remote,
    is_opened_by_fsspec,
    is_remote,
    name_of,
    opened_by_fsspec,
)
from rq_steps.sources.unpacking import unpacking

File: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
"""A path, a URL for fsspec or its `OpenFile`, or a binary file that is open and can seek."""

_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_DECOMPRESSING = {"gzip", "bz2", "lzma", "zipfile"}
_BETTER = "give what {}.open makes of it, or a path that ends in {}"
# What no text begins with.
_PACKED = {
    rb"\x1f\x8b\x08": f"is compressed by gzip: {_BETTER.format('gzip', '.gz')}",
    rb"BZh[1-9]1AY&SY": f"is compressed by bzip2: {_BETTER.format('bz2', '.bz2')}",
    rb"\xfd7zXZ\0": f"is compressed by xz: {_BETTER.format('lzma', '.xz')}",
    rb"\x28\xb5\x2f\xfd": 'is compressed by zstd: give fsspec.open(..., compression="zstd")',
    rb"PK\x03\x04": "is a zip archive: name a file in it, as in zip://orders.csv::orders.zip",
}
_LONGEST_SIGN = 10


class Opener:
    """Opens one file, again and again.

    Raises:
        TypeError: nothing that can be opened, a text file, or a file that cannot seek.
        ModuleNotFoundError: a URL, and fsspec is not installed.
        ValueError: fsspec knows no such URL.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._remote = Remote(file) if is_remote(file) else None
        if self._remote is None and not isinstance(file, str | os.PathLike):
            _refuse_unusable(file)

    @property
    def name(self) -> str:
        """As errors name it."""
        if self._remote is not None:
            return self._remote.name
        if is_opened_by_fsspec(self._file):
            return name_of(self._file)
        if isinstance(self._file, str | os.PathLike):
            return os.fspath(self._file)
        name = getattr(self._file, "name", None)
        return name if name and isinstance(name, str) else f"a {type(self._file).__name__}"

    @property
    def is_compressed(self) -> bool:
        """Is its content not what is stored?"""
        if self._remote is not None and self._remote.compression is not None:
            return True
        return self._module is not None or type(self._file).__module__ in _DECOMPRESSING

    def forget(self) -> None:
        """Look for it anew when it is opened next."""
        if self._remote is not None:
            self._remote.forget()

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Its content. A file that the user has opened is left open."""
        with ExitStack() as stack:
            file = self._stored(stack)
            if self._module is not None:
                file = stack.enter_context(_decompressed(file, self._module, self.name))
            else:
                _refuse_packed(self.name, file)
            yield file

    def size(self) -> int | None:
        """How many bytes are stored; None where only reading them all would tell."""
        if self._remote is not None:
            return self._remote.size()
        if isinstance(self._file, str | os.PathLike):
            return Path(self._file).stat().st_size
        return None if self.is_compressed else _size(self._file)

    def least_size(self, file: IO[bytes]) -> int | None:
        """Where its end cannot be before, or it was cut off while it was read. A remote file says
        so itself, and an open one may be moved about by the user."""
        is_plain = self._remote is None and isinstance(self._file, str | os.PathLike)
        return os.fstat(file.fileno()).st_size if is_plain and self._module is None else None

    @property
    def _module(self) -> str | None:
        """What decompresses it: a file is known by its name, one that is open is taken as it is."""
        if self._remote is not None:
            path = self._remote.path
        else:
            path = os.fspath(self._file) if isinstance(self._file, str | os.PathLike) else ""
        return _COMPRESSED.get(Path(path).suffix.lower())

    def _stored(self, stack: ExitStack) -> IO[bytes]:
        if self._remote is not None:
            return stack.enter_context(self._remote.opened())
        if isinstance(self._file, str | os.PathLike):
            return stack.enter_context(_opened(Path(self._file)))
        if is_opened_by_fsspec(self._file):
            return opened_by_fsspec(self._file)
        self._file.seek(0)
        return self._file


def read(file: IO[bytes], size: int) -> bytes:
    """So many bytes, or all that are left: one call may give fewer."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _size(file: IO[bytes]) -> int:
    file.seek(0, io.SEEK_END)  # what some return is no place: an mmap, a file of paramiko's
    return file.tell()


def _opened(path: Path) -> IO[bytes]:
    if path.is_fifo():  # opening it waits for somebody who writes, and takes away what was written
        raise TypeError(f"a file that cannot seek cannot be resumed, found {os.fspath(path)!r}")
    return path.open("rb")


@contextmanager
def _decompressed(file: IO[bytes], module: str, name: str) -> Iterator[IO[bytes]]:
    with import_module(module).open(file) as content, unpacking(name):
        yield content


def _refuse_packed(name: str, file: IO[bytes]) -> None:
    beginning = read(file, _LONGEST_SIGN)
    file.seek(0)
    for sign, why in _PACKED.items():
        if re.match(sign, beginning):
            raise ValueError(f"{name} {why}")


def _refuse_unusable(file: Any) -> None:
    if not hasattr(file, "read"):
        raise TypeError(f"a path, URL or open binary file is wanted, found {file!r}")
    if iscoroutinefunction(file.read):
        raise TypeError(
            f"a file is read without await, found {file!r}: give the file below it, as an "
            "UploadFile's .file"
        )
    if isinstance(file, io.TextIOBase) or not isinstance(file.read(0), bytes):
        raise TypeError(f'a file has to be opened in binary mode, with "rb", found {file!r}')
    if not _can_seek(file):
        raise TypeError(f"a file that cannot seek cannot be resumed, found {file!r}")


def _can_seek(file: Any) -> bool:
    if is_opened_by_fsspec(file) and file.size is None:
        return False  # of a web server that does not tell the length, though it says otherwise
    if hasattr(file, "seekable"):
        return bool(file.seekable())
    return hasattr(file, "seek")  # a SpooledTemporaryFile before Python 3.11

"""Files that can be read from any place: a path, an open binary file, an fsspec URL."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeAlias

File: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
"""A path, a URL for fsspec, or a binary file that is open and can seek."""

_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_DECOMPRESSING = {"gzip", "bz2", "lzma", "zipfile"}


class Opener:
    """Opens one file, again and again.

    Raises:
        TypeError: nothing that can be opened, a text file, or a file that cannot seek.
        ModuleNotFoundError: a URL, and fsspec is not installed.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._system: Any = None
        if isinstance(file, str) and "://" in file:
            # Held on to: a file in an archive can be read for as long as its file system is there.
            self._system, self._path = _fsspec().core.url_to_fs(file)
        elif not isinstance(file, str | os.PathLike):
            _refuse_unusable(file)

    @property
    def name(self) -> str:
        """As errors name it."""
        if isinstance(self._file, str | os.PathLike):
            return os.fspath(self._file)
        name = getattr(self._file, "name", None)
        return name if isinstance(name, str) else f"a {type(self._file).__name__}"

    @property
    def is_compressed(self) -> bool:
        """Is its content not what is stored?"""
        if isinstance(self._file, str | os.PathLike):
            return self._module is not None
        return type(self._file).__module__ in _DECOMPRESSING

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Its content. A file that the user has opened is left open."""
        with ExitStack() as stack:
            file = self._stored(stack)
            if self._module is not None:
                file = stack.enter_context(import_module(self._module).open(file))
            yield file

    def size(self) -> int | None:
        """How many bytes are stored; None where only reading them all would tell."""
        if self._system is not None:
            size: int | None = self._system.size(self._path)
            return size
        if isinstance(self._file, str | os.PathLike):
            return Path(self._file).stat().st_size
        return None if self.is_compressed else self._file.seek(0, io.SEEK_END)

    @property
    def _module(self) -> str | None:
        """What decompresses it: a file is known by its name, one that is open is taken as it is."""
        if not isinstance(self._file, str | os.PathLike):
            return None
        return _COMPRESSED.get(Path(self.name.partition("::")[0]).suffix)

    def _stored(self, stack: ExitStack) -> IO[bytes]:
        if self._system is not None:
            opened: IO[bytes] = stack.enter_context(self._system.open(self._path, "rb"))
            return opened
        if isinstance(self._file, str | os.PathLike):
            return stack.enter_context(Path(self._file).open("rb"))
        self._file.seek(0)
        return self._file


def read(file: IO[bytes], size: int) -> bytes:
    """So many bytes, or all that are left: one call may give fewer."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _refuse_unusable(file: Any) -> None:
    if not hasattr(file, "read"):
        raise TypeError(f"a path, URL or open binary file is wanted, found {file!r}")
    if isinstance(file, io.TextIOBase) or not isinstance(file.read(0), bytes):
        raise TypeError(f'a file has to be opened in binary mode, with "rb", found {file!r}')
    if not file.seekable():
        raise TypeError(f"a file that cannot seek cannot be resumed, found {file!r}")


def _fsspec() -> Any:
    try:
        return import_module("fsspec")
    except ModuleNotFoundError as error:
        message = "a URL is opened by fsspec: install it, or rq-steps[files]"
        raise ModuleNotFoundError(message, name=error.name) from error

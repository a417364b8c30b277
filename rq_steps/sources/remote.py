"""Files that fsspec opens: by a URL, or as its `OpenFile`."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import IO, Any

from rq_steps.sources.extras import imported
from rq_steps.sources.fetching import Fetched, Forward
from rq_steps.sources.unpacking import ZstdFile, unpacking

# What fails on the way to a file, in modules that are loaded where it can.
_FAILURES = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "fsspec.exceptions": "FSTimeoutError",
    "tarfile": "TarError",
    "zipfile": "BadZipFile",
}
_NOT_THERE = (404, 410)


class Remote:
    """A file by its URL, or by what `fsspec.open` has made of that.

    Raises:
        ModuleNotFoundError: fsspec is not installed.
        ImportError: fsspec needs something more for this URL.
        TypeError: it is to be opened as text.
        ValueError: fsspec knows no such URL.
    """

    def __init__(self, file: Any) -> None:
        self._core = imported("fsspec", "a URL is opened by fsspec", "files").core
        self._file = file
        self._place: tuple[Any, str] | None = None
        self._pid = 0
        if not isinstance(file, str) and file.mode != "rb":
            raise TypeError(f'a file has to be opened in binary mode, with "rb", found {file!r}')
        if isinstance(file, str):
            self._core.get_filesystem_class(re.split("::|://", file)[0])

    @property
    def name(self) -> str:
        """As errors name it."""
        return name_of(self._file)

    @property
    def path(self) -> str:
        """The part of the URL whose end may tell how the file is compressed."""
        if not isinstance(self._file, str):
            return ""
        parts = self._file.split("::")
        return next(part for part in parts if "://" in part).partition("?")[0]

    @property
    def compression(self) -> str | None:
        """How fsspec is to decompress it."""
        return None if isinstance(self._file, str) else self._file.compression

    def forget(self) -> None:
        """Look for it anew when it is opened next: its archive may be another one by then."""
        self._place = None

    def opened(self) -> IO[bytes]:
        """Its content. What fsspec decompresses can only be read on from its beginning."""
        with self._named():
            if self.compression is None:
                return self._stored()
            return io.BufferedReader(Forward(self._decompressed, self._unpacking))

    def size(self) -> int | None:
        """How many bytes are stored; None where the server does not tell."""
        with self._named():
            system, path = self._found()
            size: int | None = system.size(path)
            return size

    def _stored(self) -> IO[bytes]:
        system, path = self._found()
        forward = Forward(partial(_open, system, path, block_size=0)) if _is_http(system) else None
        options = {} if _is_caching(system) else {"cache_type": "none"}
        file = _open(system, path, **options)
        return io.BufferedReader(Fetched(file, self._named, forward, system=system))

    def _decompressed(self) -> Any:
        stored = self._stored()
        content = self._core.compr[self.compression](stored, mode="r")
        if type(content).__module__.startswith("zstandard"):
            return ZstdFile(stored, sys.modules["zstandard"])
        return content

    def _found(self) -> tuple[Any, str]:
        """Its file system, and where in it. Each process has a file system of its own, since its
        thread is not there after a fork."""
        if self._place is None or self._pid != os.getpid():
            self._place, self._pid = self._find(), os.getpid()
        return self._place

    def _find(self) -> tuple[Any, str]:
        if isinstance(self._file, str):
            system, path = self._core.url_to_fs(self._file)
        else:
            made, path = self._file.fs, self._file.path
            system = type(made)(*made.storage_args, **made.storage_options)
        system.invalidate_cache(path)  # the file may have been listed long ago
        return system, path

    def _unpacking(self) -> AbstractContextManager[None]:
        return unpacking(self.name)

    def _named(self) -> AbstractContextManager[None]:
        return _named(self.name)


def _open(system: Any, path: str, **options: Any) -> Any:
    if _is_http(system) and "headers" not in system.kwargs:
        # Of what is packed for the way, a server gives no part.
        options["headers"] = {"Accept-Encoding": "identity"}
    return system.open(path, "rb", **options)


def is_remote(file: Any) -> bool:
    """Is it a URL, or fsspec's `OpenFile`?"""
    if isinstance(file, str):
        return "://" in file
    core = sys.modules.get("fsspec.core")
    return core is not None and isinstance(file, core.OpenFile)


def name_of(file: Any) -> str:
    """The URL. It may carry a secret, which is no part of the name."""
    url = file if isinstance(file, str) else file.full_name
    url = re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)
    return re.sub(r"(https?://[^?]*?)\?.*?(?=::|$)", r"\1", url)


def opened_by_fsspec(file: Any) -> IO[bytes]:
    """What the user has opened, read so that it does not end too soon without an error."""
    try:
        file.fs.loop  # noqa: B018  # asked for
    except AttributeError:
        pass
    except RuntimeError as error:
        # It would wait for a thread that has not come along.
        message = f"{name_of(file)} was opened before this process was forked: open it in the step"
        raise RuntimeError(message) from error
    return io.BufferedReader(Fetched(file, partial(_named, name_of(file)), closes=False))


def is_opened_by_fsspec(file: Any) -> bool:
    """Is it an open file of a file system that is far away?"""
    spec = sys.modules.get("fsspec.spec")
    return spec is not None and isinstance(file, spec.AbstractBufferedFile)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Have errors say which file it is."""
    failures = (getattr(sys.modules.get(each), what, OSError) for each, what in _FAILURES.items())
    try:
        yield
    except (OSError, ValueError, KeyError, *failures) as error:
        raise _with_name(name, error) from (None if _tells_a_secret(error) else error)


def _with_name(name: str, error: Exception) -> OSError:
    reason = error.__cause__ or error
    if isinstance(error, FileNotFoundError | KeyError) and _tells_of_absence(reason):
        return FileNotFoundError(f"{name} is not there: {_in_one_line(reason)}")
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    return kind(f"{name} cannot be read: {_in_one_line(reason)}")


def _in_one_line(reason: BaseException) -> str:
    return " ".join(_without_secrets(str(reason)).split()) or type(reason).__name__


def _tells_a_secret(error: BaseException) -> bool:
    """Would its traceback, with that of what it comes from?"""
    return any(_without_secrets(str(each)) != str(each) for each in (error, error.__cause__))


def _without_secrets(text: str) -> str:
    """URLs in it without password and query: of some, the query is what lets them be read."""
    text = re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1@", text)
    return re.sub(r"(https?://[^?\s'\"]*)\?[^\s'\"]*", r"\1", text)


def _tells_of_absence(reason: BaseException) -> bool:
    """To fsspec, a file is not found whatever a web server answers, or if there is none."""
    is_of_the_web = type(reason).__module__.startswith("aiohttp")
    return getattr(reason, "status", None) in _NOT_THERE or not is_of_the_web


def _is_http(system: Any) -> bool:
    http = sys.modules.get("fsspec.implementations.http")
    return http is not None and isinstance(system, http.HTTPFileSystem)


def _is_caching(system: Any) -> bool:
    """Does it keep parts of the files of another one? Then it says itself which."""
    cached = sys.modules.get("fsspec.implementations.cached")
    return cached is not None and isinstance(system, cached.CachingFileSystem)

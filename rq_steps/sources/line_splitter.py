"""Splits a text into lines, one at a time, as fast as a file gives its own."""

from __future__ import annotations

import codecs
import io
import os
import sys
import threading
from collections.abc import Iterator
from itertools import compress, repeat
from operator import length_hint
from pathlib import Path
from typing import Any

_CODEC = "rq_steps_given_text"
_being_made = threading.local()


class LineSplitter:
    r"""The lines of one text after the other, each with its "\n".

    Nothing splits lines faster than Python's own text files, and a list of lines takes memory that
    a file's loop uses over and over again. So the text comes out of a file: an empty one, whose
    bytes are decoded by a codec that gives the text.
    """

    def __init__(self) -> None:
        self._given = _GivenText()
        self._file: io.TextIOWrapper | None = None

    def lines_of(self, text: str) -> Iterator[str]:
        """The lines of this text, once those of the one before have all been taken."""
        if self._file is None:
            self._file = _file_of(self._given)
        self._given.text = text
        return self._file

    def stop(self, kept: list[str]) -> None:
        """End the lines before the next one, and add those that were not taken to `kept`."""
        if self._file is not None:
            # At once: an error that a handler raises comes before it, or finds them kept.
            kept.extend(filter(None, map(self._file.read, (-1,))))

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class LineSegment:
    """The lines of a text: they can be counted and ended from a signal handler.

    It is asked as a built-in iterator is, by `__length_hint__` and `__setstate__`.
    """

    def __init__(self, splitter: LineSplitter, text: str, count: LineCount) -> None:
        self._kept: list[str] = []
        self._splitter = splitter
        self._count = count
        self._lines = count.counted(splitter.lines_of(text))

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def __next__(self) -> str:
        return next(self._lines)

    def __length_hint__(self) -> int:
        return self._count.left

    def __setstate__(self, state: int) -> None:
        """Whatever the state: to its end. A handler may do so in the middle of another one, and
        takes the lines before it."""
        self._splitter.stop(self._kept)

    @property
    def rest(self) -> str:
        """The lines that were not taken when it was ended."""
        return "".join(self._kept)


class LineCount:
    """Counts lines inside the interpreter, one tick for each that is taken.

    Args:
        keepends: a tick is the line's end otherwise, and taken off it.
    """

    most = sys.maxsize

    def __init__(self, *, keepends: bool) -> None:
        self._keepends = keepends
        self._ticks: repeat[Any] = repeat(True if keepends else "\n", self.most)

    def counted(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines, when they are taken."""
        if self._keepends:
            return compress(lines, self._ticks)
        return map(str.removesuffix, lines, self._ticks)

    def add_one(self) -> None:
        """Of a line that was taken by itself."""
        next(self._ticks)

    @property
    def left(self) -> int:
        return length_hint(self._ticks)

    @property
    def taken(self) -> int:
        return self.most - self.left


class _GivenText(codecs.IncrementalDecoder):
    """Decodes nothing to the text that it was given."""

    text = ""

    def decode(self, data: object, final: bool = False) -> str:
        # No call in here: a signal handler that came between the two would lose the text.
        text, self.text = self.text, ""
        return text


def _file_of(given: _GivenText) -> io.TextIOWrapper:
    _being_made.given = given
    try:
        return io.TextIOWrapper(Path(os.devnull).open("rb"), _CODEC, newline="\n")
    finally:
        del _being_made.given


def _codec(name: str) -> codecs.CodecInfo | None:
    if name != _CODEC:
        return None
    utf_8 = codecs.lookup("utf-8")
    return codecs.CodecInfo(
        utf_8.encode,
        utf_8.decode,
        incrementalencoder=utf_8.incrementalencoder,
        incrementaldecoder=lambda errors="strict": _being_made.given,
        name=name,
    )


codecs.register(_codec)

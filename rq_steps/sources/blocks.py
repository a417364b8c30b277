"""A file in blocks of whole lines, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import IO

from rq_steps.sources.encodings import Encoding
from rq_steps.sources.fingerprint import Fingerprint


class Block:
    """Whole lines.

    Args:
        data: a view, since copying it takes time.
        offset: where it begins, in bytes.
        line: the number of its first line, the first of the file being 1.
        before: the fingerprint of where it begins.
    """

    def __init__(
        self, data: memoryview, offset: int, line: int, before: Fingerprint, encoding: Encoding
    ) -> None:
        self._data = data
        self.offset = offset
        self.line = line
        self._before = before
        self._encoding = encoding

    def text(self) -> str | None:
        r"""The lines in one text, each with "\n" as its end; None where they cannot be decoded at
        once."""
        return self._encoding.text(self._data)

    def texts(self) -> tuple[list[str], dict[int, str]]:
        r"""Line by line, each with "\n" as its end; those that cannot be decoded, by their number,
        with the reason."""
        texts, bad = self._encoding.texts(self._data)
        return texts, self._numbered(bad)

    def texts_with_ends(self) -> tuple[Iterable[str], dict[int, str]]:
        """The lines with their ends, as they are."""
        texts, bad = self._encoding.texts_with_ends(self._data)
        return texts, self._numbered(bad)

    def place_of(self, line: int) -> tuple[int, Fingerprint]:
        """The offset of a line, or of the end, and the fingerprint of that place."""
        within = self._ends[line - self.line]
        return self.offset + within, self._before.behind(self._data, within)

    def between(self, line: int, end: int) -> bytes:
        """The bytes from one line up to another, as far as they are in here."""
        first, behind = max(line - self.line, 0), max(end - self.line, 0)
        most = len(self._ends) - 1
        return bytes(self._data[self._ends[min(first, most)] : self._ends[min(behind, most)]])

    def texts_between(self, line: int, end: int) -> Iterable[str]:
        """The lines from one up to another, as far as they are in here, with their ends."""
        return self._encoding.texts_with_ends(memoryview(self.between(line, end)))[0]

    def _numbered(self, bad: dict[int, str]) -> dict[int, str]:
        return {self.line + index: why for index, why in bad.items()}

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self._encoding.split(bytes(self._data))), initial=0))


class Blocks:
    """The rest of a file, from a line on. A line is always whole, however long.

    Args:
        size: how many bytes are read at once.
        at_end: called with the size of the file, before its last line is given if that has no end.
    """

    def __init__(
        self,
        file: IO[bytes],
        offset: int,
        line: int,
        before: Fingerprint,
        encoding: Encoding,
        size: int,
        at_end: Callable[[int], None],
    ) -> None:
        self._file = file
        self._offset = offset
        self.line = line
        """The number of the line to come. Whoever has counted a block's lines moves it on."""
        self._before = before
        self._encoding = encoding
        self._size = size
        self._at_end = at_end

    def nothing(self) -> Block:
        """A block without lines, at the place to come."""
        return Block(memoryview(b""), self._offset, self.line, self._before, self._encoding)

    def __iter__(self) -> Iterator[Block]:
        for data in self._whole_lines():
            yield Block(data, self._offset, self.line, self._before, self._encoding)
            self._offset += len(data)
            self._before = self._before.behind(data, len(data))

    def _whole_lines(self) -> Iterator[memoryview]:
        rest, at = b"", self._file.tell()
        while more := _read(self._file, at, max(self._size, len(rest))):
            at += len(more)
            data = rest + more
            end = self._encoding.end_of_lines(data)
            rest = data[end:]
            if end:
                yield memoryview(data)[:end]
        self._at_end(at)
        if rest:
            yield memoryview(rest)


def _read(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)  # it may be the user's, who has read on meanwhile
    return file.read(size)

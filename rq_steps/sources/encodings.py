"""How bytes become lines of text, and how lines are told apart in the bytes."""

from __future__ import annotations

import codecs
import io
import re
import sys
from collections.abc import Iterable

_NATIVE = "le" if sys.byteorder == "little" else "be"
_MARKS = {
    "utf-8-sig": [(codecs.BOM_UTF8, "utf-8")],
    "utf-16": [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
    "utf-32": [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
}
_WITHOUT_MARK = {
    "utf-8-sig": "utf-8",
    "utf-16": f"utf-16-{_NATIVE}",
    "utf-32": f"utf-32-{_NATIVE}",
}
LONGEST_MARK = 4

_ENDS_TO_SPLITLINES_ALONE = "\x0b\x0c\x1c\x1d\x1e"
"""In ASCII. Where there are none of them, it is the fastest."""

# In others, what a line means may depend on the line before.
_WHOLE = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp125")


class Encoding:
    """One encoding, as a file has it that begins with these bytes.

    Raises:
        LookupError: Python knows no such encoding.
        ValueError: lines cannot be told apart in its bytes.
    """

    def __init__(self, name: str, beginning: bytes) -> None:
        codec = codecs.lookup(name).name
        self.mark_size, self._codec = _found(codec, beginning)
        self.width = {"utf-16": 2, "utf-32": 4}.get(self._codec[:6], 1)
        self._whole = self._codec.startswith(_WHOLE)
        self.lf, self.cr = "\n".encode(self._codec), "\r".encode(self._codec)
        if len(self.lf) != self.width or (self.width == 1 and (self.lf, self.cr) != (b"\n", b"\r")):
            raise ValueError(f"lines cannot be told apart in bytes that are encoded as {name}")
        self._line = _line_pattern(self.lf, self.cr)

    def end_of_lines(self, data: bytes) -> int:
        """Where the last whole line ends, in bytes that begin with a line; 0 where none does."""
        at = self._last(self.lf, data, len(data))
        if at < 0:  # a "\r" at the very end may be the half of a "\r\n"
            at = self._last(self.cr, data, len(data) - self.width)
        return at + self.width if at >= 0 else 0

    def split(self, data: bytes) -> list[bytes]:
        """The lines, with their ends."""
        if self.width == 1:
            return data.splitlines(keepends=True)
        return self._line.findall(data)

    def starting_line_end(self, data: bytes) -> bytes:
        """The line end that the bytes start with, or nothing."""
        ends = (self.cr + self.lf, self.lf, self.cr)
        return next((end for end in ends if data.startswith(end)), b"")

    def text(self, data: memoryview) -> str | None:
        r"""The lines in one text, each with "\n" as its end; None where they cannot be decoded at
        once."""
        text = self._whole_text(data)
        return None if text is None else _with_plain_ends(text)

    def texts(self, data: memoryview) -> tuple[list[str], dict[int, str]]:
        r"""Line by line, each with "\n" as its end; those which cannot be decoded, by their index,
        with the reason."""
        texts, bad = self._one_by_one(data)
        return [_with_plain_ends(text) for text in texts], bad

    def texts_with_ends(self, data: memoryview) -> tuple[Iterable[str], dict[int, str]]:
        """The lines with their ends, as they are."""
        text = self._whole_text(data)
        return self._one_by_one(data) if text is None else (_with_any_ends(text), {})

    def _whole_text(self, data: memoryview) -> str | None:
        try:
            return str(data, self._codec) if self._whole else None
        except UnicodeDecodeError:
            return None

    def _one_by_one(self, data: memoryview) -> tuple[list[str], dict[int, str]]:
        texts, bad = [], {}
        for index, line in enumerate(self.split(bytes(data))):
            try:
                text = line.decode(self._codec)
            except UnicodeDecodeError as error:
                text = line.decode(self._codec, "replace")
                bad[index] = str(error)
            texts.append(text)
        return texts, bad

    def _last(self, unit: bytes, data: bytes, end: int) -> int:
        at = data.rfind(unit, 0, max(end, 0))
        while at > 0 and at % self.width:  # between two characters: halves of both
            at = data.rfind(unit, 0, at + self.width - 1)
        return at


def _found(codec: str, beginning: bytes) -> tuple[int, str]:
    for mark, marked in _MARKS.get(codec, ()):
        if beginning.startswith(mark):
            return len(mark), marked
    return 0, _WITHOUT_MARK.get(codec, codec)


def _line_pattern(lf: bytes, cr: bytes) -> re.Pattern[bytes]:
    """A line of characters that are as wide as these."""
    lf, cr, character = re.escape(lf), re.escape(cr), b".{%d}" % len(lf)
    return re.compile(b"(?s)(?:%b)*?(?:%b%b|%b|%b)|.+" % (character, cr, lf, cr, lf))


def _with_any_ends(text: str) -> Iterable[str]:
    if text.isascii() and not any(end in text for end in _ENDS_TO_SPLITLINES_ALONE):
        return text.splitlines(keepends=True)
    return io.StringIO(text, newline="")


def split(text: str, *, keepends: bool) -> list[str]:
    r"""The lines of a text in which each ends with "\n", but perhaps the last one."""
    if keepends:
        return io.StringIO(text, newline="\n").readlines()
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _with_plain_ends(text: str) -> str:
    if "\r" in text:
        # What a text file does it with: three times as fast as str.replace.
        return io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)
    return text

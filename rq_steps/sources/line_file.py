"""The lines of a text file, and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal, overload

from rq_steps.sources.blocks import Block, Blocks
from rq_steps.sources.encodings import split
from rq_steps.sources.files import File
from rq_steps.sources.line_page import LinePage
from rq_steps.sources.line_splitter import LineSplitter
from rq_steps.sources.text_file import Bad, BadRecord, Head, RecordsPage, TextFile, TextPage

# So few that no garbage collection comes of them.
_PAGE = 256
# Characters to a line: longer ones are given faster one at a time than made into a list.
_LONG = 80
_SAMPLE = 4096
_decode = json.JSONDecoder().decode


@overload
def lines(
    file: File, *, keepends: bool = ..., encoding: str = ..., bad: Literal["raise"] = ...
) -> TextFile[str]: ...


@overload
def lines(
    file: File, *, keepends: bool = ..., encoding: str = ..., bad: Literal["hand_out"]
) -> TextFile[str | BadRecord]: ...


def lines(
    file: File, *, keepends: bool = False, encoding: str = "utf-8-sig", bad: Bad = "raise"
) -> TextFile[Any]:
    r"""The lines of a text file, without their ends: "\n", "\r\n" or "\r".

    Args:
        file: a path, an open binary file, a URL for fsspec, or its `OpenFile`.
        keepends: give each line with a "\n" for its end, as an open text file does.
        encoding: a byte order mark is left out where the encoding has one.
        bad: what is done with a line that cannot be decoded.
    """
    return LineFile(file, encoding, bad, keepends=keepends)


@overload
def jsonl(file: File, *, encoding: str = ..., bad: Literal["raise"] = ...) -> TextFile[Any]: ...


@overload
def jsonl(
    file: File, *, encoding: str = ..., bad: Literal["hand_out"]
) -> TextFile[Any | BadRecord]: ...


def jsonl(file: File, *, encoding: str = "utf-8-sig", bad: Bad = "raise") -> TextFile[Any]:
    """The values in a JSON Lines file. Empty lines are no records.

    Args:
        file: a path, an open binary file, a URL for fsspec, or its `OpenFile`.
        encoding: a byte order mark is left out where the encoding has one.
        bad: what is done with a line that is not JSON, or cannot be decoded.
    """
    return JsonLineFile(file, encoding, bad)


class LineFile(TextFile[Any]):
    """Each line is a record."""

    kind = "line file"

    def __init__(self, file: File, encoding: str, bad: Bad, *, keepends: bool) -> None:
        super().__init__(file, encoding, bad)
        self._keepends = keepends

    def _records(self, blocks: Blocks, record: int, head: Head) -> Iterator[TextPage[Any]]:
        with closing(LineSplitter()) as splitter:
            for block in blocks:
                page = self._page(block, record, splitter)
                yield page
                done = page.size
                blocks.line += done
                record += done

    def _page(self, block: Block, record: int, splitter: LineSplitter) -> TextPage[Any]:
        text = block.text()
        if text is not None and self._is_walked(text):
            return LinePage(text, block, record, splitter, keepends=self._keepends)
        items: list[Any]
        items, wrong = _lines_of(block, text, keepends=self._keepends)
        for line, why in wrong.items():
            at = line - block.line
            items[at] = _bad(block, line, record + at, why)
        lines = range(block.line, block.line + len(items) + 1)
        return RecordsPage(items, record, lines, [block], bad=bool(wrong))

    def _is_walked(self, text: str) -> bool:
        return text.endswith("\n") and (self._keepends or _are_long(text))


class JsonLineFile(TextFile[Any]):
    """Each line that is not empty is a record."""

    kind = "JSON Lines file"

    def _records(self, blocks: Blocks, record: int, head: Head) -> Iterator[TextPage[Any]]:
        for block in blocks:
            texts, wrong = _lines_of(block, block.text(), keepends=False)
            blocks.line = block.line + len(texts)
            for first in range(0, len(texts), _PAGE):
                some = texts[first : first + _PAGE]
                page = _json_page(block, block.line + first, some, wrong, record)
                yield page
                record += len(page.items)


def _json_page(
    block: Block, begin: int, texts: list[str], wrong: dict[int, str], record: int
) -> RecordsPage[Any]:
    """The values on these lines, the first of which has this number."""
    items, lines, bad = list[Any](), list[int](), False
    for line, text in enumerate(texts, begin):
        try:
            item = _decode(text)
            if line in wrong:
                raise ValueError(wrong[line])
        except (ValueError, RecursionError) as error:
            if not text or text.isspace():
                continue
            why = wrong.get(line) or _told(error)
            item, bad = _bad(block, line, record + len(items), why), True
        items.append(item)
        lines.append(line)
    lines.append(begin + len(texts))
    return RecordsPage(items, record, lines, [block], bad=bad)


def _told(error: Exception) -> str:
    """Without the number of its line, which would always be the first."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in column {error.colno}"
    return str(error)


def _bad(block: Block, line: int, record: int, why: str) -> BadRecord:
    return BadRecord(line, record, why, block.between(line, line + 1))


def _lines_of(
    block: Block, text: str | None, *, keepends: bool
) -> tuple[list[Any], dict[int, str]]:
    """The lines of a block, and what is wrong with some, by their number.

    Args:
        text: the block's, if it could be decoded at once.
    """
    if text is not None:
        return split(text, keepends=keepends), {}
    texts, wrong = block.texts()
    return texts if keepends else [text.removesuffix("\n") for text in texts], wrong


def _are_long(text: str) -> bool:
    """Are the lines of this text long ones? Looks at the first of them."""
    sample = text[:_SAMPLE]
    return len(sample) > _LONG * sample.count("\n")

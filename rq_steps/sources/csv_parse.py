"""The csv module, fed with lines whose places in the file are known."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, TypeAlias

from rq_steps.sources.blocks import Block, Blocks
from rq_steps.sources.text_file import BadRecord, RecordsPage

Dialect: TypeAlias = "str | csv.Dialect | type[csv.Dialect]"

# So few that they stay in the processor's cache. Of twice as many, garbage collections take more
# than larger pages save.
_PAGE = 512
_AT_ONCE = 256
# After so many pages with nothing but rows of one line, the next ones may be, too. To be wrong
# about that costs as much as some five pages.
_PLAIN_PAGES = 64
# Fed to the csv module behind the last line. It is no row: if it becomes part of one all the same,
# then that row has no end.
_BEHIND = ["\n"]


class Parse:
    """The csv module, with a dialect."""

    def __init__(self, dialect: Dialect, options: dict[str, Any]) -> None:
        csv.reader([], dialect, **options)  # refuses what it does not know
        self._dialect = dialect
        self._options = options

    def over(self, blocks: Blocks, record: int) -> Rows:
        """The rows in these blocks; the first has this number."""
        return Rows(_Feed(blocks, self), record)

    def reader(self, lines: Iterable[str]) -> Any:
        """The csv module's reader over these lines."""
        return csv.reader(lines, self._dialect, **self._options)


class _Feed:
    """The lines for the reader, and which blocks they are of."""

    def __init__(self, blocks: Blocks, parse: Parse) -> None:
        self._parse = parse
        self.reader = parse.reader(self._lines())
        """It asks for a line when it has counted all that it was given."""
        self.first_line = blocks.line
        self.end: int | None = None
        """The number of the line behind the last one, once that was read."""
        self.nothing = blocks.nothing()
        self.blocks: list[Block] = []
        """Those whose lines are not all in a page yet."""
        self.bad: dict[int, str] = {}
        """Lines that cannot be decoded."""
        self.is_reading = False
        """Is it asked for lines at this moment, or has it failed then?"""
        self._all = blocks

    @property
    def line(self) -> int:
        """The number of the line to come."""
        line: int = self.first_line + self.reader.line_num
        return line

    @property
    def is_over(self) -> bool:
        """Has the reader had all lines, and the one behind them?"""
        return self.end is not None and self.line > self.end

    def reader_again(self, line: int) -> Any:
        """Another reader of what the first one has had from this line on."""
        texts = [block.texts_between(line, self.line) for block in self.blocks]
        return self._parse.reader(chain(*texts, _BEHIND * self.is_over))

    def raw(self, line: int, end: int) -> bytes:
        """The bytes from one line up to another."""
        return b"".join(block.between(line, end) for block in self.blocks)

    def drop_before(self, line: int) -> None:
        """Forget the blocks whose lines are all before this one."""
        while len(self.blocks) > 1 and self.blocks[1].line <= line:
            del self.blocks[0]

    def _lines(self) -> Iterator[str]:
        return chain(chain.from_iterable(self._texts()), _BEHIND)

    def _texts(self) -> Iterator[Iterable[str]]:
        self.is_reading = True
        for block in self._all:
            texts, bad = block.texts_with_ends()
            self.blocks.append(block)
            self.bad |= bad
            self.is_reading = False
            yield texts
            self.is_reading = True
            self._all.line = self.line
        self.end = self.line
        self.is_reading = False


@dataclass
class _Batch:
    """Rows, the lines on which they begin, and by their index: the line behind those that are not
    followed by a row at once, and what is wrong with some."""

    rows: list[Any] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    wrong: dict[int, str] = field(default_factory=dict)


class Rows:
    """One pass over rows, a page at a time."""

    def __init__(self, feed: _Feed, record: int) -> None:
        self._feed = feed
        self._record = record

    def pages(self) -> Iterator[RecordsPage[Any]]:
        """All rows. A page is never of more than a block, and what the next one adds to it."""
        while not self._feed.is_over:
            yield from self._pages_of_a_line_each()
            yield from self._pages_of_any_rows()

    def header(self) -> RecordsPage[Any]:
        """A page of the first row, if there is one."""
        feed, batch = self._feed, _Batch()
        while not batch.rows and not feed.is_over:
            self._add(feed.reader, feed.first_line, 1, batch)
        return self._page_of(batch)

    def _pages_of_a_line_each(self) -> Iterator[RecordsPage[Any]]:
        """Pages whose rows are of one line each, and the page behind them."""
        feed, line = self._feed, self._feed.line
        while rows := self._rows_of_a_line_each(_PAGE):
            yield self._page(rows, range(line, feed.line + 1), bad=False)
            line = feed.line
        batch = _Batch()
        self._add(feed.reader_again(line), line, _PAGE, batch)
        yield self._page_of(batch)

    def _pages_of_any_rows(self) -> Iterator[RecordsPage[Any]]:
        """Pages up to those whose rows are of one line each again."""
        feed, plain = self._feed, 0
        while plain < _PLAIN_PAGES and not feed.is_over:
            line, batch = feed.line, _Batch()
            while len(batch.rows) < _PAGE and len(feed.blocks) < 2 and not feed.is_over:
                self._add(feed.reader, feed.first_line, _AT_ONCE, batch)
            plain = plain + 1 if feed.line - line == len(batch.rows) else 0
            yield self._page_of(batch)

    def _rows_of_a_line_each(self, at_most: int) -> list[Any]:
        """So many rows, fast: where each begins need not be asked. None at all, if one of them has
        more lines, or fewer, or is bad."""
        feed, rows, line = self._feed, list[Any](), self._feed.line
        try:
            rows.extend(islice(feed.reader, at_most))
        except (csv.Error, ValueError):
            if feed.is_reading:
                raise
            return []
        are_plain = feed.line - line == len(rows) and all(rows)
        return rows if are_plain and not any(bad < feed.line for bad in feed.bad) else []

    def _add(self, reader: Any, first_line: int, at_most: int, batch: _Batch) -> None:
        rows, lines, ends = batch.rows, batch.lines, batch.ends
        line, row = first_line + reader.line_num, None
        try:
            for row in islice(reader, at_most):
                begin, line = line, first_line + reader.line_num
                if row:
                    rows.append(row)
                    lines.append(begin)
                else:
                    ends.setdefault(len(rows) - 1, begin)
        except (csv.Error, ValueError) as error:
            if self._feed.is_reading:
                raise
            batch.wrong[len(rows)] = str(error)
            rows.append(None)
            lines.append(line)
        else:
            if row and self._feed.is_over:
                batch.wrong[len(rows) - 1] = _open_end(reader.dialect)

    def _page_of(self, batch: _Batch) -> RecordsPage[Any]:
        rows, lines, feed = batch.rows, batch.lines, self._feed
        lines.append(feed.line if feed.end is None else min(feed.line, feed.end))
        for line in [line for line in feed.bad if line < lines[-1]]:
            batch.wrong[bisect_right(lines, line) - 1] = feed.bad.pop(line)
        for at, why in batch.wrong.items():
            raw = feed.raw(lines[at], batch.ends.get(at, lines[at + 1]))
            rows[at] = BadRecord(lines[at], self._record + at, why, raw)
        return self._page(rows, lines, bad=bool(batch.wrong))

    def _page(self, rows: list[Any], lines: Sequence[int], *, bad: bool) -> RecordsPage[Any]:
        """A page of these rows. Of the lines, the last one is behind them."""
        blocks = tuple(self._feed.blocks) or (self._feed.nothing,)
        page = RecordsPage(rows, self._record, lines, blocks, bad=bad)
        self._record += len(rows)
        self._feed.drop_before(lines[-1])
        return page


def _open_end(dialect: csv.Dialect) -> str:
    """What is wrong with the last row."""
    escapes = dialect.escapechar is not None
    behind = ", or an escape character is the last" if escapes else ""
    return f"unexpected end of data: a quote is not closed{behind}"

"""CSV files, by Python's own csv module: it is fed lines whose places are known."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any, Literal, TypeAlias, overload

from rq_steps.errors import InvalidStepError
from rq_steps.sources.blocks import Block, Blocks, checksum
from rq_steps.sources.encodings import Encoding
from rq_steps.sources.files import File
from rq_steps.sources.text_file import Bad, BadRecord, BadRecordError, Place, TextFile, TextPage
from rq_steps.values import JSON

Dialect: TypeAlias = "str | csv.Dialect | type[csv.Dialect]"

# So few that they stay in the processor's cache, and that no garbage collection comes of them.
_PAGE = 256
_AT_ONCE = 128
# Fed to the csv module behind the last line. It is no row: if it becomes part of one all the same,
# then that row has no end.
_BEHIND = ["\n"]
_LONGEST_NAMES = 1000
"""Characters: of longer columns the record keeps a checksum."""


@overload
def csv_rows(
    file: File,
    dialect: Dialect = ...,
    *,
    header: bool = ...,
    encoding: str = ...,
    bad: Literal["raise"] = ...,
    **format_options: Any,
) -> TextFile[list[str]]: ...


@overload
def csv_rows(
    file: File,
    dialect: Dialect = ...,
    *,
    header: bool = ...,
    encoding: str = ...,
    bad: Literal["hand_out"],
    **format_options: Any,
) -> TextFile[list[str] | BadRecord]: ...


def csv_rows(
    file: File,
    dialect: Dialect = "excel",
    *,
    header: bool = False,
    encoding: str = "utf-8-sig",
    bad: Bad = "raise",
    **format_options: Any,
) -> TextFile[Any]:
    """The rows of a CSV file as lists, as `csv.reader` gives them. Empty lines are no records.

    Args:
        file: a path, an open binary file, or a URL for fsspec.
        dialect: as with `csv.reader`; so are `format_options`, such as `delimiter=";"`.
        header: is the first row one? Then it is not given, and has to be the same on resume.
        encoding: a byte order mark is left out where the encoding has one.
        bad: what is done with a row that the csv module refuses, or that cannot be decoded.

    Raises:
        csv.Error: an unknown dialect.
    """
    parse = _Parse(dialect, format_options)
    return CsvFile(file, encoding, bad, parse, has_header=header)


@overload
def csv_dicts(
    file: File,
    fieldnames: Sequence[str] | None = ...,
    restkey: str | None = ...,
    restval: Any = ...,
    dialect: Dialect = ...,
    *,
    encoding: str = ...,
    bad: Literal["raise"] = ...,
    **format_options: Any,
) -> TextFile[dict[str, Any]]: ...


@overload
def csv_dicts(
    file: File,
    fieldnames: Sequence[str] | None = ...,
    restkey: str | None = ...,
    restval: Any = ...,
    dialect: Dialect = ...,
    *,
    encoding: str = ...,
    bad: Literal["hand_out"],
    **format_options: Any,
) -> TextFile[dict[str, Any] | BadRecord]: ...


def csv_dicts(
    file: File,
    fieldnames: Sequence[str] | None = None,
    restkey: str | None = None,
    restval: Any = None,
    dialect: Dialect = "excel",
    *,
    encoding: str = "utf-8-sig",
    bad: Bad = "raise",
    **format_options: Any,
) -> TextFile[Any]:
    """The rows of a CSV file as dicts, as `csv.DictReader` gives them, whose arguments it takes.

    Args:
        file: a path, an open binary file, or a URL for fsspec.
        fieldnames: without them the first row is the header. They have to be the same on resume.
        restkey: where the fields go that are too many.
        restval: what stands for those that are missing.
        dialect: as with `csv.reader`; so are `format_options`, such as `delimiter=";"`.
        encoding: a byte order mark is left out where the encoding has one.
        bad: what is done with a row that the csv module refuses, or that cannot be decoded.

    Raises:
        csv.Error: an unknown dialect.
    """
    parse = _Parse(dialect, format_options)
    return CsvDictFile(file, encoding, bad, parse, fieldnames, restkey, restval)


class CsvFile(TextFile[Any]):
    """Each row that is not empty is a record."""

    kind = "CSV file"

    def __init__(
        self, file: File, encoding: str, bad: Bad, parse: _Parse, *, has_header: bool
    ) -> None:
        super().__init__(file, encoding, bad)
        self._parse = parse
        self._has_header = has_header

    @property
    def contract(self) -> dict[str, JSON]:
        return super().contract | {"columns": _short(self._columns())}

    def check(self, kept: Any) -> None:
        super().check(kept)
        found, expected = _short(self._columns()), kept["columns"]
        if found != expected and expected is not None:
            raise InvalidStepError(
                f"{self._opener.name} has other columns: found {_listed(found)}, "
                f"expected {_listed(expected)}"
            )

    def _records(self, blocks: Blocks, record: int) -> Iterator[TextPage[Any]]:
        return self._parse.over(blocks, record).pages()

    def _first(self, file: IO[bytes], encoding: Encoding) -> Place:
        return self._header(file, encoding)[1]

    def _columns(self) -> list[str] | None:
        with self._opener.opened() as file:
            return self._header(file, self._encoding_of(file))[0]

    def _header(self, file: IO[bytes], encoding: Encoding) -> tuple[list[str] | None, Place]:
        """The columns, where the file tells them, and where the first record begins."""
        beginning = super()._first(file, encoding)
        if not self._has_header:
            return None, beginning
        page = self._parse.over(self._from(file, beginning, encoding), 0).header()
        if not page.items:
            return None, beginning
        (header,) = page.items
        if isinstance(header, BadRecord):
            raise BadRecordError(self._opener.name, header)
        return header, page.place(1)


class CsvDictFile(CsvFile):
    """The same, each row by the names of its columns."""

    def __init__(
        self,
        file: File,
        encoding: str,
        bad: Bad,
        parse: _Parse,
        fieldnames: Sequence[str] | None,
        restkey: str | None,
        restval: Any,
    ) -> None:
        super().__init__(file, encoding, bad, parse, has_header=fieldnames is None)
        self._fieldnames = None if fieldnames is None else list(fieldnames)
        self._restkey = restkey
        self._restval = restval

    def pages(self, cursor: Any) -> Iterator[TextPage[Any]]:
        names = self._columns()
        for page in super().pages(cursor):
            yield page.of(self._named(names or [], page.items))

    def _columns(self) -> list[str] | None:
        return self._fieldnames if self._fieldnames is not None else super()._columns()

    def _named(self, names: list[str], rows: Sequence[Any]) -> list[Any]:
        width = len(names)
        return [
            dict(zip(names, row))  # noqa: B905  # of one length; the argument takes time
            if type(row) is list and len(row) == width
            else self._other(names, row)
            for row in rows
        ]

    def _other(self, names: list[str], row: list[Any] | BadRecord) -> Any:
        if isinstance(row, BadRecord):
            return row
        named: dict[str | None, Any] = dict(zip(names, row, strict=False))
        named.update(dict.fromkeys(names[len(row) :], self._restval))
        if len(row) > len(names):
            named[self._restkey] = row[len(names) :]
        return named


class _Parse:
    """The csv module, with a dialect."""

    def __init__(self, dialect: Dialect, options: dict[str, Any]) -> None:
        csv.reader([], dialect, **options)  # refuses what it does not know
        self._dialect = dialect
        self._options = options

    def over(self, blocks: Blocks, record: int) -> _Rows:
        """The rows in these blocks; the first has this number."""
        return _Rows(_Feed(blocks, self), record)

    def reader(self, lines: Iterable[str]) -> Any:
        """The csv module's reader over these lines."""
        return csv.reader(lines, self._dialect, **self._options)


class _Feed:
    """The lines for the reader, and which blocks they are of."""

    def __init__(self, blocks: Blocks, parse: _Parse) -> None:
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
    """Rows, the lines on which they begin, and what is wrong with some, by their index."""

    rows: list[Any] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    wrong: dict[int, str] = field(default_factory=dict)


class _Rows:
    """One pass over rows, a page at a time."""

    def __init__(self, feed: _Feed, record: int) -> None:
        self._feed = feed
        self._record = record
        self._is_plain = True

    def pages(self) -> Iterator[TextPage[Any]]:
        """All rows. A page is never of more than a block, and what the next one adds to it."""
        feed = self._feed
        while not feed.is_over:
            batch = _Batch()
            while len(batch.rows) < _PAGE and len(feed.blocks) < 2 and not feed.is_over:
                self._take(_AT_ONCE, batch)
            yield self._page(batch)

    def header(self) -> TextPage[Any]:
        """A page of the first row, if there is one."""
        batch = _Batch()
        while not batch.rows and not self._feed.is_over:
            self._take(1, batch)
        return self._page(batch)

    def _take(self, at_most: int, batch: _Batch) -> None:
        """Add so many rows. Empty ones do not count."""
        feed, line = self._feed, self._feed.line
        if not self._is_plain:
            self._add(feed.reader, feed.first_line, at_most, batch)
        elif rows := self._rows_of_a_line_each(at_most):
            batch.rows += rows
            batch.lines += range(line, feed.line)
        else:
            self._is_plain = False
            self._add(feed.reader_again(line), line, at_most, batch)

    def _rows_of_a_line_each(self, at_most: int) -> list[Any]:
        """So many rows, fast: where each begins need not be asked. None at all, if one of them has
        more lines, or fewer, or is bad."""
        rows, line = list[Any](), self._feed.line
        try:
            rows.extend(islice(self._feed.reader, at_most))
        except (csv.Error, ValueError):
            if self._feed.is_reading:
                raise
            return []
        return rows if self._feed.line - line == len(rows) and all(rows) else []

    def _add(self, reader: Any, first_line: int, at_most: int, batch: _Batch) -> None:
        rows, lines = batch.rows, batch.lines
        line, row = first_line + reader.line_num, None
        try:
            for row in islice(reader, at_most):
                if row:
                    rows.append(row)
                    lines.append(line)
                line = first_line + reader.line_num
        except (csv.Error, ValueError) as error:
            if self._feed.is_reading:
                raise
            batch.wrong[len(rows)] = str(error)
            rows.append(None)
            lines.append(line)
        else:
            if row and self._feed.is_over:
                batch.wrong[len(rows) - 1] = "unexpected end of data"

    def _page(self, batch: _Batch) -> TextPage[Any]:
        rows, lines, feed = batch.rows, batch.lines, self._feed
        lines.append(feed.line if feed.end is None else min(feed.line, feed.end))
        for line in [line for line in feed.bad if line < lines[-1]]:
            batch.wrong[bisect_right(lines, line) - 1] = feed.bad.pop(line)
        for at, why in batch.wrong.items():
            raw = feed.raw(lines[at], lines[at + 1])
            rows[at] = BadRecord(lines[at], self._record + at, why, raw)
        blocks = tuple(feed.blocks) or (feed.nothing,)
        page = TextPage(rows, self._record, lines, blocks, bad=bool(batch.wrong))
        self._record += len(rows)
        feed.drop_before(lines[-1])
        return page


def _short(columns: list[str] | None) -> JSON:
    """The columns as the record keeps them."""
    if columns is None or sum(map(len, columns)) <= _LONGEST_NAMES:
        return list[JSON](columns) if columns is not None else None
    return {"count": len(columns), "checksum": checksum(repr(columns).encode())}


def _listed(columns: JSON) -> str:
    if isinstance(columns, dict):
        return f"{columns['count']} with the checksum {columns['checksum']}"
    return ", ".join(map(repr, columns)) if isinstance(columns, list) else "none"

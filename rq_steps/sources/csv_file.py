"""CSV files, by Python's own csv module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, Literal, overload

from rq_steps.errors import InvalidStepError
from rq_steps.sources.blocks import Blocks
from rq_steps.sources.csv_parse import Dialect, Parse
from rq_steps.sources.encodings import Encoding
from rq_steps.sources.files import File
from rq_steps.sources.fingerprint import checksum
from rq_steps.sources.text_file import Bad, BadRecord, BadRecordError, Head, TextFile, TextPage
from rq_steps.values import JSON

_HEADER = 4096
"""Bytes that are read at once for a header: of what is far away, no more than the first part."""
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
        file: a path, an open binary file, a URL for fsspec, or its `OpenFile`.
        dialect: as with `csv.reader`; so are `format_options`, such as `delimiter=";"`.
        header: is the first row one? Then it is not given, and has to be the same on resume.
        encoding: a byte order mark is left out where the encoding has one.
        bad: what is done with a row that the csv module refuses, or that cannot be decoded.

    Raises:
        csv.Error: an unknown dialect.
    """
    parse = Parse(dialect, format_options)
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
        file: a path, an open binary file, a URL for fsspec, or its `OpenFile`.
        fieldnames: without them the first row is the header. They have to be the same on resume.
        restkey: where the fields go that are too many.
        restval: what stands for those that are missing.
        dialect: as with `csv.reader`; so are `format_options`, such as `delimiter=";"`.
        encoding: a byte order mark is left out where the encoding has one.
        bad: what is done with a row that the csv module refuses, or that cannot be decoded.

    Raises:
        csv.Error: an unknown dialect.
    """
    parse = Parse(dialect, format_options)
    return CsvDictFile(file, encoding, bad, parse, fieldnames, restkey, restval)


class CsvFile(TextFile[Any]):
    """Each row that is not empty is a record."""

    kind = "CSV file"

    def __init__(
        self,
        file: File,
        encoding: str,
        bad: Bad,
        parse: Parse,
        *,
        has_header: bool,
        columns: list[str] | None = None,
    ) -> None:
        super().__init__(file, encoding, bad)
        self._parse = parse
        self._has_header = has_header
        self._columns = columns

    @property
    def contract(self) -> dict[str, JSON]:
        return super().contract | {"columns": _short(self._found_columns())}

    def compare(self, found: Any, kept: Any) -> None:
        columns, expected = found["columns"], kept["columns"]
        if columns != expected and expected is not None:
            raise InvalidStepError(
                f"{self._opener.name} has other columns: found {_listed(columns)}, "
                f"expected {_listed(expected)}"
            )
        super().compare(found, kept)

    def _found_columns(self) -> list[str] | None:
        if not self._has_header:
            return self._columns
        with self._opener.opened() as file:
            return self._head(file, self._encoding_of(file)).columns

    def _records(self, blocks: Blocks, record: int, head: Head) -> Iterator[TextPage[Any]]:
        return self._parse.over(blocks, record).pages()

    def _head(self, file: IO[bytes], encoding: Encoding) -> Head:
        head = super()._head(file, encoding)._replace(columns=self._columns)
        if not self._has_header:
            return head
        blocks = self._from(file, head.end, encoding, min(self.block_size, _HEADER))
        page = self._parse.over(blocks, 0).header()
        if not page.items:
            return head
        (header,) = page.items
        if isinstance(header, BadRecord):
            raise BadRecordError(self._opener.name, header)
        return Head(page.place(1), header)


class CsvDictFile(CsvFile):
    """The same, each row by the names of its columns."""

    def __init__(
        self,
        file: File,
        encoding: str,
        bad: Bad,
        parse: Parse,
        fieldnames: Sequence[str] | None,
        restkey: str | None,
        restval: Any,
    ) -> None:
        if isinstance(fieldnames, str):
            raise TypeError(
                f"fieldnames are a list of names, found {fieldnames!r}; "
                "a delimiter is given as delimiter=..."
            )
        columns = None if fieldnames is None else list(fieldnames)
        super().__init__(file, encoding, bad, parse, has_header=columns is None, columns=columns)
        self._restkey = restkey
        self._restval = restval

    def _records(self, blocks: Blocks, record: int, head: Head) -> Iterator[TextPage[Any]]:
        for page in super()._records(blocks, record, head):
            yield page.of(self._named(head.columns or [], page.items))

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


def _short(columns: list[Any] | None) -> JSON:
    """The columns as the record keeps them. Names may be numbers, or None: so csv has them."""
    if columns is None:
        return None
    names = [each if isinstance(each, str) else repr(each) for each in columns]
    if sum(map(len, names)) <= _LONGEST_NAMES:
        return list[JSON](names)
    return {"count": len(names), "checksum": checksum(repr(names).encode())}


def _listed(columns: JSON) -> str:
    if isinstance(columns, dict):
        return f"{columns['count']} with the checksum {columns['checksum']}"
    return ", ".join(map(repr, columns)) if isinstance(columns, list) else "none"

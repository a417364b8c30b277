"""Parquet files, and other data sets that pyarrow reads: they are gone on with at a row group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.data_set import DataFile, DataSet, Files, RowGroup
from rq_steps.sources.mistaken import called, refuse_size, refuse_untexts
from rq_steps.sources.page import ListPage
from rq_steps.sources.protocol import Compared, PagedSource, unfit_cursor
from rq_steps.values import JSON

if TYPE_CHECKING:
    from pyarrow import RecordBatch

Item = TypeVar("Item", covariant=True)

_AT_ONCE = 1024
_BATCH = 65_536


def parquet_rows(files: Files, columns: Iterable[str] | None = None) -> ParquetRows:
    """The rows as dicts, of Python's own values.

    Args:
        files: a path, a folder with all that is below it, several files, or a data set that
            `pyarrow.dataset.dataset` has opened: on S3, of Feather files, partitioned in whatever
            way. Folders such as `year=2026` are columns.
        columns: those that are read, all by default. They may be others on resume.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        TypeError: it is no path, or the columns are no list of names.
    """
    return ParquetRows(files, columns)


def parquet_batches(
    files: Files, columns: Iterable[str] | None = None, *, size: int = _BATCH
) -> ParquetBatches:
    """The rows as `pyarrow.RecordBatch`es, which hold rows of one row group each.

    The cursor is that of `parquet_rows`, and knows nothing of batches: their size may be another
    on resume.

    Args:
        files, columns: as in `parquet_rows`.
        size: the most rows in a batch.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        ValueError: `size` is not at least 1.
        TypeError: as `parquet_rows`, or `size` is no int.
    """
    refuse_size(size)
    return ParquetBatches(files, columns, size)


class Place(NamedTuple):
    """Where a row is: the index of its file, of the row group in that, of the row in that.

    A file that knows no row groups counts as one.
    """

    file: int
    row_group: int
    row: int
    end: str
    """The checksum of what the file says of itself at its end."""


class RowsPage(ListPage[Item]):
    """Items whose rows follow one another in a row group.

    Args:
        begin: the place of the first one.
        rows: how many rows each item stands for.
    """

    def __init__(self, items: Sequence[Item], begin: Place, rows: int = 1) -> None:
        self.items = items
        self._begin = begin
        self._rows = rows

    def cursor(self, done: int) -> dict[str, JSON]:
        place = self._begin._replace(row=self._begin.row + done * self._rows)
        return place._asdict()


class ParquetSource(Compared, PagedSource[Item]):
    """Rows of the files of a data set.

    The contract is the schema, and the number and names of the files. The file in hand is known
    by its cursor.
    """

    def __init__(self, files: Files, columns: Iterable[str] | None, at_once: int) -> None:
        self._data = DataSet(files)
        self._columns = None if columns is None else _names(columns)
        self.at_once = at_once
        """Rows that are read at once."""

    @property
    def kind(self) -> str:
        return "Parquet data set"

    @property
    def contract(self) -> dict[str, JSON]:
        return self._data.anew().described

    @property
    def total(self) -> int:
        """The rows in all files. Each of them is opened."""
        return self._data.anew().count_rows()

    @property
    def unit(self) -> str:
        return "rows"

    def compare(self, found: Any, kept: Any) -> None:
        for what, value in found.items():
            if value != kept[what]:
                raise InvalidStepError(
                    f"{self.kind}: found {what} {value}, expected {what} {kept[what]}"
                )

    def pages(self, cursor: Any) -> Iterator[RowsPage[Item]]:
        data = self._data.anew()
        self._refuse_unknown_columns(data)
        begin = None if cursor is None else self._place(cursor, len(data.files))
        first = 0 if begin is None else begin.file
        for index, file in enumerate(data.files[first:], first):
            end = file.end
            if begin is not None and begin.end != end:
                raise InvalidStepError(
                    f"{file.path} has other content: found checksum {end} at its end, "
                    f"expected {begin.end}"
                )
            begin = begin or Place(index, 0, 0, end)
            yield from self._pages_of(data, file, begin)
            begin = None

    @abstractmethod
    def _page(self, batch: RecordBatch, begin: Place) -> RowsPage[Item]:
        """The page of these rows."""

    def _pages_of(self, data: DataSet, file: DataFile, begin: Place) -> Iterator[RowsPage[Item]]:
        for number, group in enumerate(file.row_groups):
            if number >= begin.row_group:
                yield from self._pages_of_group(data, group, begin)
                begin = begin._replace(row_group=number + 1, row=0)

    def _pages_of_group(
        self, data: DataSet, group: RowGroup, begin: Place
    ) -> Iterator[RowsPage[Item]]:
        if group.rows == begin.row:
            return
        behind = 0
        for batch in data.batches_of(group, self._columns, self.at_once):
            first, behind = behind, behind + len(batch)
            if behind > begin.row:
                place = begin._replace(row=max(begin.row, first))
                yield self._page(batch.slice(place.row - first), place)

    def _place(self, cursor: Any, files: int) -> Place:
        try:
            place = Place(**cursor)
            if min(place[:3]) < 0 or place.file >= files:
                raise TypeError
        except TypeError:
            raise unfit_cursor(f"a {self.kind} of {files} files", Place._fields, cursor) from None
        return place

    def _refuse_unknown_columns(self, data: DataSet) -> None:
        names = data.columns
        unknown = [each for each in self._columns or () if each not in names]
        if unknown:
            raise ValueError(f"no column {', '.join(unknown)}: there are {', '.join(names)}")


def _names(columns: Iterable[str]) -> list[str]:
    expected = "columns takes a list of names"
    if isinstance(columns, str):
        raise TypeError(f"{expected}, found str: give [{columns!r}]")
    if not isinstance(columns, Iterable):
        raise TypeError(f"{expected}, found {called(columns)}")
    names = list(columns)
    refuse_untexts(names, expected)
    return names


class ParquetRows(ParquetSource[dict[str, Any]]):
    """Each item is a row."""

    def __init__(self, files: Files, columns: Iterable[str] | None) -> None:
        super().__init__(files, columns, _AT_ONCE)

    def _page(self, batch: RecordBatch, begin: Place) -> RowsPage[dict[str, Any]]:
        return RowsPage(batch.to_pylist(), begin)


class ParquetBatches(ParquetSource["RecordBatch"]):
    """Each item is a batch of rows."""

    def _page(self, batch: RecordBatch, begin: Place) -> RowsPage[RecordBatch]:
        return RowsPage((batch,), begin, rows=len(batch))

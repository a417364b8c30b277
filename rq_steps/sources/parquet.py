"""Parquet files, and other data sets that pyarrow reads: they are gone on with at a row group."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.blocks import checksum
from rq_steps.sources.protocol import PagedSource
from rq_steps.values import JSON

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.dataset import Dataset

Item = TypeVar("Item", covariant=True)
Files: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Dataset"
"""A Parquet file, a folder of them, several files, or a data set that pyarrow has opened."""

_AT_ONCE = 1024
_BATCH = 65_536
_LONGEST_SCHEMA = 1000
"""Characters: of a longer schema the record keeps a checksum."""
_TAIL = 65_536
"""Bytes at the end of a file of another format, where it says what it holds."""


def parquet_rows(files: Files, columns: Sequence[str] | None = None) -> ParquetRows:
    """The rows as dicts, of Python's own values.

    Args:
        files: a path, a folder with all that is below it, several files, or a data set that
            `pyarrow.dataset.dataset` has opened: on S3, of Feather files, partitioned in whatever
            way. Folders such as `year=2026` are columns.
        columns: those that are read, all by default. They may be others on resume.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    return ParquetRows(files, columns)


def parquet_batches(
    files: Files, columns: Sequence[str] | None = None, *, size: int = _BATCH
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
    """
    if size < 1:
        raise ValueError(f"the size of a batch must be at least 1, found {size}")
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


class RowsPage(Generic[Item]):
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


class ParquetSource(PagedSource[Item]):
    """Rows of the files of a data set.

    The contract is the schema, and the number and names of the files. The file in hand is known
    by its cursor.
    """

    def __init__(self, files: Files, columns: Sequence[str] | None, at_once: int) -> None:
        self._files = files
        self._columns = None if columns is None else list(columns)
        self.at_once = at_once
        """Rows that are read at once."""
        self._pyarrow = _pyarrow_dataset()

    @property
    def kind(self) -> str:
        return "Parquet data set"

    @property
    def contract(self) -> dict[str, JSON]:
        schema = ", ".join(f"{each.name}: {each.type}" for each in self._dataset.schema)
        if len(schema) > _LONGEST_SCHEMA:
            schema = f"{len(self._dataset.schema)} columns, checksum {checksum(schema.encode())}"
        names = "\n".join(_below_their_folder([each.path for each in self._fragments]))
        return {
            "schema": schema,
            "files": len(self._fragments),
            "names": checksum(names.encode()),
        }

    @property
    def total(self) -> int:
        """The rows in all files. Each of them is opened."""
        count: int = self._dataset.count_rows()
        return count

    @property
    def unit(self) -> str:
        return "rows"

    def check(self, kept: Any) -> None:
        for what, found in self.contract.items():
            if found != kept[what]:
                raise InvalidStepError(
                    f"{self.kind}: found {what} {found}, expected {what} {kept[what]}"
                )

    def pages(self, cursor: Any) -> Iterator[RowsPage[Item]]:
        self._refuse_unknown_columns()
        begin = None if cursor is None else self._place(cursor)
        first = 0 if begin is None else begin.file
        for index, fragment in enumerate(self._fragments[first:], first):
            end = _end_of(fragment)
            if begin is not None and begin.end != end:
                raise InvalidStepError(
                    f"{fragment.path} has other content: found checksum {end} at its end, "
                    f"expected {begin.end}"
                )
            begin = begin or Place(index, 0, 0, end)
            yield from self._pages_of(fragment, begin)
            begin = None

    @abstractmethod
    def _page(self, batch: RecordBatch, begin: Place) -> RowsPage[Item]:
        """The page of these rows."""

    def _pages_of(self, fragment: Any, begin: Place) -> Iterator[RowsPage[Item]]:
        for number, group in enumerate(_row_groups(fragment)):
            if number >= begin.row_group:
                yield from self._pages_of_group(group, begin)
                begin = begin._replace(row_group=number + 1, row=0)

    def _pages_of_group(self, group: _RowGroup, begin: Place) -> Iterator[RowsPage[Item]]:
        if group.rows == begin.row:
            return
        behind = 0
        for batch in self._batches_of(group):
            first, behind = behind, behind + len(batch)
            if behind > begin.row:
                place = begin._replace(row=max(begin.row, first))
                yield self._page(batch.slice(place.row - first), place)

    def _batches_of(self, group: _RowGroup) -> Iterator[RecordBatch]:
        batches: Iterator[RecordBatch] = group.opened().to_batches(
            schema=self._dataset.schema, columns=self._columns, batch_size=self.at_once
        )
        return batches

    @cached_property
    def _dataset(self) -> Any:
        files: Any = self._files
        if isinstance(files, self._pyarrow.Dataset):
            return files
        if isinstance(files, str | os.PathLike):
            files = os.fspath(files)
        else:
            files = [os.fspath(each) for each in files]
        return self._pyarrow.dataset(files, format="parquet", partitioning="hive")

    @cached_property
    def _fragments(self) -> list[Any]:
        fragments = list(self._dataset.get_fragments())
        if not all(isinstance(each, self._pyarrow.FileFragment) for each in fragments):
            raise TypeError(f"a data set of files is wanted, found {self._dataset!r}")
        return fragments

    def _place(self, cursor: Any) -> Place:
        try:
            place = Place(**cursor)
            if min(place[:3]) < 0 or place.file >= len(self._fragments):
                raise TypeError
        except TypeError:
            raise InvalidStepError(
                f"a {self.kind} of {len(self._fragments)} files is gone on with at a cursor with "
                f"{', '.join(Place._fields)}, found {cursor!r}"
            ) from None
        return place

    def _refuse_unknown_columns(self) -> None:
        names = self._dataset.schema.names
        unknown = [each for each in self._columns or () if each not in names]
        if unknown:
            raise ValueError(f"no column {', '.join(unknown)}: there are {', '.join(names)}")


class ParquetRows(ParquetSource[dict[str, Any]]):
    """Each item is a row."""

    def __init__(self, files: Files, columns: Sequence[str] | None) -> None:
        super().__init__(files, columns, _AT_ONCE)

    def _page(self, batch: RecordBatch, begin: Place) -> RowsPage[dict[str, Any]]:
        return RowsPage(batch.to_pylist(), begin)


class ParquetBatches(ParquetSource["RecordBatch"]):
    """Each item is a batch of rows."""

    def _page(self, batch: RecordBatch, begin: Place) -> RowsPage[RecordBatch]:
        return RowsPage((batch,), begin, rows=len(batch))


class _RowGroup(NamedTuple):
    fragment: Any
    id: int | None
    """None where the file knows none."""
    rows: int | None
    """How many, where that is known without reading them."""

    def opened(self) -> Any:
        """What reads this row group alone."""
        return self.fragment if self.id is None else self.fragment.subset(row_group_ids=[self.id])


def _row_groups(fragment: Any) -> list[_RowGroup]:
    if not hasattr(fragment, "row_groups"):
        return [_RowGroup(fragment, None, None)]
    return [_RowGroup(fragment, each.id, each.num_rows) for each in fragment.row_groups]


def _end_of(fragment: Any) -> str:
    """The checksum of the end of a file, where Parquet lists all row groups with their places."""
    metadata = getattr(fragment, "metadata", None)
    with fragment.filesystem.open_input_file(fragment.path) as file:
        size = file.size()
        tail = min(size, _TAIL if metadata is None else metadata.serialized_size + 8)
        file.seek(size - tail)
        return checksum(b"%d " % size + file.read(tail))


def _below_their_folder(paths: Sequence[str]) -> list[str]:
    """The paths without what is common to them: the folder may be another on another machine."""
    if len(paths) < 2:
        return ["" for _ in paths]
    folder = os.path.commonpath(paths)
    return [PurePosixPath(each).relative_to(folder).as_posix() for each in paths]


def _pyarrow_dataset() -> Any:
    try:
        return import_module("pyarrow.dataset")
    except ModuleNotFoundError as error:
        message = "Parquet is read by pyarrow: install it, or rq-steps[parquet]"
        raise ModuleNotFoundError(message, name=error.name) from error

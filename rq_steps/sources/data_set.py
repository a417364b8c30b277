"""A data set: files that pyarrow reads as one table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rq_steps.sources.extras import imported
from rq_steps.sources.fingerprint import checksum
from rq_steps.sources.mistaken import called
from rq_steps.values import JSON

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.dataset import Dataset

Files: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Dataset"
"""A Parquet file, a folder of them, several files, or a data set that pyarrow has opened."""

_LONGEST_SCHEMA = 1000
"""Characters: of a longer schema the record keeps a checksum."""
_TAIL = 65_536
"""Bytes at the end of a file of another format, where it says what it holds."""


class DataSet:
    """As it is when something is first asked of it. Its files are not opened before.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        TypeError: it is no file.
    """

    def __init__(self, files: Files) -> None:
        self._pyarrow = imported("pyarrow.dataset", "Parquet is read by pyarrow", "parquet")
        self._given = files if isinstance(files, self._pyarrow.Dataset) else _paths(files)

    def anew(self) -> DataSet:
        """As it is by now: files may have been added, or written again."""
        return DataSet(self._given)

    @cached_property
    def files(self) -> list[DataFile]:
        fragments = list(self._dataset.get_fragments())
        if not all(isinstance(each, self._pyarrow.FileFragment) for each in fragments):
            raise TypeError(f"a data set of files is wanted, found {self._dataset!r}")
        return list(map(DataFile, fragments))

    @property
    def columns(self) -> list[str]:
        names: list[str] = self._dataset.schema.names
        return names

    @property
    def described(self) -> dict[str, JSON]:
        """The schema, the number and the names of the files."""
        schema = ", ".join(f"{each.name}: {each.type}" for each in self._dataset.schema)
        if len(schema) > _LONGEST_SCHEMA:
            schema = f"{len(self._dataset.schema)} columns, checksum {checksum(schema.encode())}"
        names = "\n".join(_below_their_folder([each.path for each in self.files]))
        return {
            "schema": schema,
            "files": len(self.files),
            "names": checksum(names.encode()),
        }

    def count_rows(self) -> int:
        """Each file is opened."""
        count: int = self._dataset.count_rows()
        return count

    def batches_of(
        self, group: RowGroup, columns: list[str] | None, size: int
    ) -> Iterator[RecordBatch]:
        """The rows of a group, at most so many at once. No columns: all."""
        batches: Iterator[RecordBatch] = group.opened().to_batches(
            schema=self._dataset.schema, columns=columns, batch_size=size
        )
        return batches

    @cached_property
    def _dataset(self) -> Any:
        if isinstance(self._given, self._pyarrow.Dataset):
            return self._given
        return self._pyarrow.dataset(self._given, format="parquet", partitioning="hive")


class DataFile:
    """A file of a data set."""

    def __init__(self, fragment: Any) -> None:
        self._fragment = fragment
        self.path: str = fragment.path

    @property
    def row_groups(self) -> list[RowGroup]:
        """One, where the format knows none."""
        fragment = self._fragment
        if not hasattr(fragment, "row_groups"):
            return [RowGroup(fragment, None, None)]
        return [RowGroup(fragment, each.id, each.num_rows) for each in fragment.row_groups]

    @property
    def end(self) -> str:
        """The checksum of its end, where Parquet lists all row groups with their places."""
        metadata = getattr(self._fragment, "metadata", None)
        with self._fragment.filesystem.open_input_file(self.path) as file:
            size = file.size()
            tail = min(size, _TAIL if metadata is None else metadata.serialized_size + 8)
            file.seek(size - tail)
            return checksum(b"%d " % size + file.read(tail))


class RowGroup(NamedTuple):
    """Rows that are stored together."""

    fragment: Any
    id: int | None
    """None where the file knows none."""
    rows: int | None
    """How many, where that is known without reading them."""

    def opened(self) -> Any:
        """What reads this row group alone."""
        return self.fragment if self.id is None else self.fragment.subset(row_group_ids=[self.id])


def _below_their_folder(paths: Sequence[str]) -> list[str]:
    """The paths without what is common to them: the folder may be another on another machine."""
    if len(paths) < 2:
        return ["" for _ in paths]
    folder = os.path.commonpath(paths)
    return [PurePosixPath(each).relative_to(folder).as_posix() for each in paths]


def _paths(given: Any) -> str | list[str]:
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    if not isinstance(given, Iterable) or isinstance(given, bytes) or _is_open(given):
        raise _no_file(given)
    paths = list(given)
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise _no_file(path, " in it")
    return list(map(os.fspath, paths))


def _is_open(given: Any) -> bool:
    return hasattr(given, "read") or hasattr(given, "schema")


def _no_file(found: Any, where: str = "") -> TypeError:
    advice = ": give its path" if hasattr(found, "read") else ""
    return TypeError(
        "Parquet is read from a path, a folder, a list of paths or a data set of pyarrow, "
        f"found {called(found)}{where}{advice}"
    )

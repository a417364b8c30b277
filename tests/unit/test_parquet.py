"""Parquet: what is given, where it is gone on with, and what is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rq_steps import InvalidStepError, Step, step
from rq_steps.sources import Source, batches, nested, parquet_batches, parquet_rows
from rq_steps.sources.data_set import RowGroup
from tests.unit.law import assert_law
from tests.unit.memory import Job

GROUP = 4


def table(rows: Iterable[int], **columns: Any) -> pa.Table:
    numbers = list(rows)
    names = pa.array([f"n{each}" for each in numbers], pa.string())
    return pa.table({"id": pa.array(numbers, pa.int64()), "name": names, **columns})


def write(path: Path, rows: Iterable[int], group: int = GROUP, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(rows, **columns), path, row_group_size=group)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Ten rows in row groups of four."""
    return write(tmp_path / "rows.parquet", range(10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for year in (2025, 2026):
        write(tmp_path / "all" / f"year={year}" / "rows.parquet", range(year, year + 3), 2)
    return tmp_path / "all"


def ids(rows: Iterable[Any]) -> list[int]:
    return [row["id"] for row in rows]


def run(job: Job, source: Callable[[], Iterable[Any]], *, until: int | None = None) -> list[Any]:
    """The rows that one execution handles; until this id, where it is stopped."""
    visited = []

    @step
    def visit(step: Step) -> None:
        for row in step.each(source()):
            visited.append(row)
            if row["id"] == until:
                job.call()

    execution = job.execute(visit)
    if execution.error is not None:
        raise execution.error
    return visited


# What is given


def test_rows_are_dicts_of_pythons_own_values(tmp_path: Path) -> None:
    path = tmp_path / "values.parquet"
    row = {"day": date(2024, 2, 29), "price": Decimal("1.50"), "tags": ["a"], "none": None}
    pq.write_table(pa.Table.from_pylist([row]), path)
    assert list(parquet_rows(path)) == [row]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_a_folder_and_several_files_are_read(kind: Any, folder: Path) -> None:
    expected = [2025, 2026, 2027, 2026, 2027, 2028]
    files = sorted(folder.rglob("*.parquet"))
    assert ids(parquet_rows(kind(folder))) == expected
    assert ids(parquet_rows([kind(each) for each in files])) == expected
    assert ids(parquet_rows(kind(files[1]))) == expected[3:]
    assert (
        ids(parquet_rows([kind(each) for each in reversed(files)])) == expected[3:] + expected[:3]
    )


def test_the_names_of_folders_are_columns(folder: Path) -> None:
    assert [row["year"] for row in parquet_rows(folder)] == [2025] * 3 + [2026] * 3


def test_a_data_set_that_is_open_is_read_whatever_its_format(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pyarrow.feather.write_feather(table(range(5)), tmp_path / f"{name}.arrow", chunksize=2)
    opened = ds.dataset(tmp_path, format="feather")
    assert ids(parquet_rows(opened)) == [*range(5), *range(5)]
    assert_law(lambda: parquet_rows(ds.dataset(tmp_path, format="feather")))


def test_a_data_set_is_opened_by_fsspec_too(file: Path) -> None:
    system = fsspec.filesystem("memory")
    system.pipe("/rows.parquet", file.read_bytes())

    def rows() -> Source[Any]:
        return parquet_rows(ds.dataset("/rows.parquet", filesystem=system, format="parquet"))

    assert ids(rows()) == list(range(10))
    assert_law(rows)


def test_only_the_columns_that_are_asked_for_are_given(folder: Path) -> None:
    (row, *_) = parquet_rows(folder, columns=["year", "id"])
    assert row == {"year": 2025, "id": 2025}


def test_an_unknown_column_is_an_error(file: Path) -> None:
    with pytest.raises(ValueError, match="no column nam, di: there are id, name"):
        list(parquet_rows(file, columns=["nam", "id", "di"]))


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("id", "found str: give ['id']"),
        (5, "found int"),
        (["id", 5], "found int in it"),
        ([None], "found None in it"),
    ],
)
@pytest.mark.parametrize("make", [parquet_rows, parquet_batches])
def test_columns_are_a_list_of_names(make: Any, columns: Any, found: str, file: Path) -> None:
    with pytest.raises(TypeError) as refusal:
        make(file, columns=columns)
    assert str(refusal.value) == f"columns takes a list of names, {found}"


def test_columns_may_be_the_keys_of_a_dict(file: Path) -> None:
    assert list(next(iter(parquet_rows(file, columns={"id": 1}.keys())))) == ["id"]


def test_batches_hold_rows_of_one_row_group(file: Path) -> None:
    assert [ids(batch.to_pylist()) for batch in parquet_batches(file, size=3)] == [
        [0, 1, 2],
        [3],
        [4, 5, 6],
        [7],
        [8, 9],
    ]
    assert all(isinstance(batch, pa.RecordBatch) for batch in parquet_batches(file))


def test_a_batch_has_a_row_at_least(file: Path) -> None:
    with pytest.raises(ValueError, match="must be at least 1, found 0"):
        parquet_batches(file, size=0)


@pytest.mark.parametrize("size", ["x", 2.0, True, None])
def test_the_size_of_a_batch_is_a_number(size: Any, file: Path) -> None:
    with pytest.raises(TypeError) as refusal:
        parquet_batches(file, size=size)
    assert str(refusal.value) == f"the size of a batch is an int, found {size!r}"


def test_the_total_are_the_rows(folder: Path) -> None:
    assert (parquet_rows(folder).total, parquet_rows(folder).unit) == (6, "rows")


def test_a_source_that_outlives_an_execution_looks_at_the_folder_anew(folder: Path) -> None:
    source = parquet_rows(folder)
    assert (len(run(Job(), lambda: source)), source.total) == (6, 6)
    write(folder / "year=2025" / "rows.parquet", range(100, 130), 7)
    write(folder / "year=2027" / "rows.parquet", [1])
    expected = [*range(100, 130), 2026, 2027, 2028, 1]
    assert ids(run(Job(), lambda: source)) == ids(source) == expected
    assert source.total == len(expected)


def test_a_file_without_rows_gives_none(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.parquet", [])
    assert list(parquet_rows(empty)) == []
    full = write(tmp_path / "full.parquet", [7])
    assert ids(parquet_rows([empty, full, empty])) == [7]


# The law


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, 100]),
)
def test_the_law_of_parquet(lengths: list[int], group: int, at_once: int) -> None:
    with TemporaryDirectory() as folder:
        files = [
            write(Path(folder) / f"{index}.parquet", range(length), group)
            for index, length in enumerate(lengths)
        ]

        def rows() -> Source[Any]:
            source = parquet_rows(files)
            source.at_once = at_once
            return source

        assert ids(rows()) == [each for length in lengths for each in range(length)]
        assert_law(rows)
        assert_law(lambda: parquet_batches(files, size=at_once))
        assert_law(lambda: batches(rows(), 2))


# In a step


def recorded(file: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Source[Any], list[int | None]]:
    """The rows of a file, and the row groups that have been read."""
    source, read = parquet_rows(file), list[int | None]()
    opened = RowGroup.opened

    def recording(group: RowGroup) -> Any:
        read.append(group.id)
        return opened(group)

    monkeypatch.setattr(RowGroup, "opened", recording)
    return source, read


def test_it_goes_on_at_the_row_group(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job()
    assert ids(run(job, lambda: parquet_rows(file), until=5)) == [0, 1, 2, 3, 4, 5]
    cursor: Any = job.cursor
    assert cursor == {"file": 0, "row_group": 1, "row": 2, "end": cursor["end"]}
    source, read = recorded(file, monkeypatch)
    assert ids(run(job, lambda: source)) == [6, 7, 8, 9]
    assert read == [1, 2]


def test_a_row_group_that_is_done_is_not_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, behind = list(parquet_rows(file).open(None))[GROUP - 1]
    source, read = recorded(file, monkeypatch)
    assert ids(item for item, _ in source.open(behind)) == [4, 5, 6, 7, 8, 9]
    assert read == [1, 2]


def test_columns_and_batches_may_be_others_on_resume(file: Path) -> None:
    job = Job()
    run(job, lambda: parquet_rows(file), until=5)
    assert run(job, lambda: parquet_rows(file, columns=["id"]), until=6) == [{"id": 6}]
    rest = []

    @step
    def visit(step: Step) -> None:
        for batch in step.each(parquet_batches(file)):
            rest.append(ids(batch.to_pylist()))

    assert job.execute(visit).error is None
    assert rest == [[7], [8, 9]]


def test_files_may_have_been_copied_to_another_folder(folder: Path, tmp_path: Path) -> None:
    job = Job()
    run(job, lambda: parquet_rows(folder), until=2027)
    shutil.copytree(folder, tmp_path / "copied")
    assert ids(run(job, lambda: parquet_rows(tmp_path / "copied"))) == [2026, 2027, 2028]


def test_files_are_nested_in_a_list_of_them(tmp_path: Path) -> None:
    files = [str(write(tmp_path / f"{name}.parquet", range(3))) for name in "ab"]
    visited = []
    job = Job()

    @step
    def visit(step: Step) -> None:
        for path, row in step.each(nested(files, parquet_rows)):
            visited.append((Path(path).stem, row["id"]))
            if visited[-1] == ("b", 0):
                job.call()

    job.execute_until_done(visit)
    assert visited == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]


# What changed underneath


def after_five(job: Job, files: Path) -> None:
    run(job, lambda: parquet_rows(files), until=5)


def refusal(job: Job, files: Any) -> str:
    record = job.record
    with pytest.raises(InvalidStepError) as raised:
        run(job, lambda: parquet_rows(files))
    assert job.record == record
    return str(raised.value)


def test_a_file_with_other_columns_is_an_error(file: Path) -> None:
    job = Job()
    after_five(job, file)
    write(file, range(10), more=[None] * 10)
    assert refusal(job, file) == (
        "step 'visit': Parquet data set: found schema id: int64, name: string, more: null, "
        "expected schema id: int64, name: string"
    )


@pytest.mark.parametrize(
    ("rows", "group"),
    [(range(11), GROUP), (range(9), GROUP), (range(1, 11), GROUP), (range(10), 5)],
)
def test_a_file_with_other_rows_or_row_groups_is_an_error(
    rows: range, group: int, file: Path
) -> None:
    job = Job()
    after_five(job, file)
    write(file, rows, group)
    assert f"{file} has other content: found checksum" in refusal(job, file)


def test_a_file_that_is_written_again_as_it_was_is_the_same(file: Path) -> None:
    job = Job()
    after_five(job, file)
    write(file, range(10))
    assert ids(run(job, lambda: parquet_rows(file))) == [6, 7, 8, 9]


def test_more_files_or_other_ones_are_an_error(folder: Path) -> None:
    job = Job()
    run(job, lambda: parquet_rows(folder), until=2025)
    more = write(folder / "year=2027" / "rows.parquet", [1])
    assert refusal(job, folder).endswith("found files 3, expected files 2")
    more.unlink()
    (folder / "year=2025" / "rows.parquet").rename(folder / "year=2025" / "others.parquet")
    assert "Parquet data set: found names" in refusal(job, folder)


def test_a_long_schema_is_kept_as_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({f"column_{number}": [1] for number in range(100)}), path)
    schema = parquet_rows(path).contract["schema"]
    assert isinstance(schema, str)
    assert schema.startswith("100 columns, checksum ")


# What is refused


@pytest.mark.parametrize(
    "start",
    [
        5,
        {"file": 0},
        {"file": -1, "row_group": 0, "row": 0, "end": ""},
        {"file": 1, "row_group": 0, "row": 0, "end": ""},
        {"file": "0", "row_group": 0, "row": 0, "end": ""},
    ],
)
def test_a_cursor_of_another_form_is_an_error(start: Any, file: Path) -> None:
    with pytest.raises(InvalidStepError, match="of 1 files is gone on with at a cursor with file"):
        list(parquet_rows(file).open(start))


def test_a_data_set_that_is_no_files_is_refused() -> None:
    with pytest.raises(TypeError, match="a data set of files is wanted"):
        list(parquet_rows(ds.dataset(table([1]))))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (lambda file: None, "found None"),
        (lambda file: 5, "found int"),
        (lambda file: bytes(file), "found bytes"),
        (lambda file: Path, "found the class Path"),
        (lambda file: BytesIO(file.read_bytes()), "found BytesIO: give its path"),
        (lambda file: [file, None], "found None in it"),
        (lambda file: [BytesIO(file.read_bytes())], "found BytesIO in it: give its path"),
        (
            lambda file: pq.ParquetFile(BytesIO(file.read_bytes())),
            "found ParquetFile: give its path",
        ),
        (lambda file: table([1]), "found Table"),
    ],
)
@pytest.mark.parametrize("make", [parquet_rows, parquet_batches])
def test_what_is_no_file_is_refused(
    make: Any, given: Callable[[Path], Any], found: str, file: Path
) -> None:
    with pytest.raises(TypeError) as refusal:
        make(given(file))
    assert str(refusal.value) == (
        "Parquet is read from a path, a folder, a list of paths or a data set of pyarrow, " + found
    )


@pytest.mark.parametrize(
    ("frame", "advice"),
    [
        (table(range(2)), "its to_pylist()"),
        (table(range(2)).to_batches()[0], "its to_pylist()"),
        (ds.dataset(table(range(2))), "rq_steps.sources.parquet_rows"),
    ],
)
def test_what_pyarrow_has_in_memory_is_refused_and_told_what_gives_its_rows(
    frame: Any, advice: str
) -> None:
    with pytest.raises(TypeError) as refusal:
        batches(frame, 2)
    assert str(refusal.value) == f"step.each takes no {type(frame).__name__}: use {advice}"


@pytest.mark.parametrize(
    ("module", "advice"), [("pandas.core.frame", "itertuples()"), ("polars", "iter_rows()")]
)
def test_a_data_frame_is_refused_and_told_what_gives_its_rows(module: str, advice: str) -> None:
    frame: Any = type("DataFrame", (list,), {"__module__": module})
    with pytest.raises(TypeError) as refusal:
        batches(frame(), 2)
    assert str(refusal.value) == f"step.each takes no DataFrame: use its {advice}"


def test_files_may_be_found_by_a_generator(folder: Path) -> None:
    assert len(list(parquet_rows(path for path in sorted(folder.rglob("*.parquet"))))) == 6


def test_without_pyarrow_it_says_what_is_missing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(ModuleNotFoundError, match=r"install it, or rq-steps\[parquet\]"):
        parquet_rows(file)

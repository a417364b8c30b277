"""Jobs over wrapped and async sources, cut at every place where they can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import Table, parquet

from rq_steps import Step, continuable, step
from rq_steps.sources import Source, batches, chain, lines, nested, numbered, parquet_rows
from rq_steps.testing import Rehearsal, everywhere

visited: dict[object, int] = {}


def visit(item: object) -> None:
    """At least once: what is done again is written in the same place."""
    visited[str(item)] = visited.get(str(item), 0) + 1


@step
def over_wrappers(step: Step, folder: str) -> None:
    files = sorted(map(str, Path(folder).glob("*.txt")))
    old = nested(files, lines)
    new = numbered(parquet_rows(f"{folder}/rows.parquet"))
    for batch in step.each(batches(chain(old, new), 3)):
        for item in batch:
            visit(item)


@continuable
def import_folder(folder: str) -> None:
    over_wrappers(folder)


async def entries() -> AsyncIterator[int]:
    for number in range(7):
        yield number


@step
async def over_a_client(step: Step) -> None:
    async for number, batch in step.each(numbered(batches(entries(), 2))):
        visit((number, batch))


@step
async def over_single_entries(step: Step) -> str:
    async for entry in step.each(entries()):
        visit(entry)
    return "all"


@continuable
async def read_feed() -> str:
    await over_a_client()
    return await over_single_entries()


async def lines_of(path: str) -> Source[str]:
    return lines(path)


async def days_of(entry: int) -> AsyncIterator[str]:
    for day in range(entry % 3):
        yield f"day {day}"


@step
async def over_async_wrappers(step: Step, folder: str) -> None:
    old = nested(sorted(map(str, Path(folder).glob("*.txt"))), lines_of)
    new = numbered(nested(entries(), days_of))
    async for batch in step.each(batches(chain(old, parquet_of(folder), new), 2)):
        for item in batch:
            visit(item)


def parquet_of(folder: str) -> Source[Any]:
    return parquet_rows(f"{folder}/rows.parquet")


@continuable
async def import_folder_and_feed(folder: str) -> None:
    await over_async_wrappers(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("one\ntwo\n")
    (tmp_path / "c.txt").write_text("")
    table = Table.from_pydict({"id": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    return tmp_path


def test_a_job_over_wrappers_is_right_wherever_it_is_cut(folder: Path) -> None:
    expected = [f"('{folder}/{name}.txt', '{line}')" for name in "ab" for line in ("one", "two")]
    expected += [str((number, {"id": number + 1})) for number in range(3)]

    def make() -> Rehearsal:
        visited.clear()
        return Rehearsal(import_folder, str(folder))

    def check(rehearsal: Rehearsal) -> None:
        assert list(visited) == expected

    everywhere(make, check)


def test_an_async_job_is_right_wherever_it_is_cut() -> None:
    expected = ["(0, [0, 1])", "(1, [2, 3])", "(2, [4, 5])", "(3, [6])", *map(str, range(7))]

    def make() -> Rehearsal:
        visited.clear()
        return Rehearsal(read_feed)

    def check(rehearsal: Rehearsal) -> None:
        assert rehearsal.result == "all"
        assert list(visited) == expected

    everywhere(make, check)


def test_an_async_job_over_wrappers_is_right_wherever_it_is_cut(folder: Path) -> None:
    expected = [f"('{folder}/{name}.txt', '{line}')" for name in "ab" for line in ("one", "two")]
    expected += [str({"id": number + 1}) for number in range(3)]
    days = [(entry, f"day {day}") for entry in range(7) for day in range(entry % 3)]
    expected += [str(pair) for pair in enumerate(days)]

    def make() -> Rehearsal:
        visited.clear()
        return Rehearsal(import_folder_and_feed, str(folder))

    def check(rehearsal: Rehearsal) -> None:
        assert list(visited) == expected

    everywhere(make, check)

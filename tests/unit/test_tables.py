"""Every source over a table: the law, and a table that changes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rq_steps import InvalidStepError, Step, step
from rq_steps.sources import Source
from rq_steps.sources.keyset import Column, KeysetSource
from tests.unit.law import assert_law
from tests.unit.memory import Job
from tests.unit.stores import STORES, Row, Store, in_order, plain

BOUNDED = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KEYS = [["id"], ["-id"], ["a", "b"], ["-a", "b"], ["a", "-b"], ["-a", "-b"], ["b", "-a", "id"]]
BERLIN = ZoneInfo("Europe/Berlin")

keys = st.sampled_from(KEYS)
page_sizes = st.integers(1, 4)
contents = st.lists(
    st.builds(Row, st.integers(-3, 9), st.integers(0, 2), st.sampled_from("abcXYZ")),
    unique_by=(lambda row: row.id, lambda row: row[1:]),
    max_size=9,
)


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, django: Any) -> Iterator[Store]:
    with closing(STORES[request.param]()) as store:
        yield store


@pytest.fixture
def pickling() -> bool:
    return False


@BOUNDED
@given(rows=contents, key=keys, page=page_sizes)
def test_the_law_of_tables(rows: list[Row], key: Sequence[str], page: int, store: Store) -> None:
    store.fill(rows)
    assert [plain(item) for item in store.source(key, page)] == in_order(rows, key)
    assert_law(lambda: store.source(key, page))


@BOUNDED
@given(data=st.data(), key=keys, page=page_sizes, native=st.booleans())
def test_rows_that_come_and_go_between_two_executions_do_no_harm(
    data: st.DataObject, key: Sequence[str], page: int, native: bool, store: Store
) -> None:
    """Whatever is ahead of the cursor is visited, once and in order, and nothing else."""
    job, visited, at_most = Job(native=native, pickling=False), list[Row](), 0

    @step
    def visit(step: Step) -> None:
        for done, item in enumerate(step.each(store.source(key, page)), 1):
            visited.append(plain(item))
            if done == at_most:
                job.call()

    while True:
        present = data.draw(contents)
        store.fill(present)
        ahead = beyond(visited[-1:], present, key)
        at_most, before = data.draw(st.integers(1, 9)), len(visited)
        execution = job.execute(visit)
        assert execution.error is None
        assert visited[before:] == ahead[:at_most]
        if execution.departure is None:
            break
    assert len(ahead) <= at_most


def beyond(last: list[Row], present: list[Row], key: Sequence[str]) -> list[Row]:
    """The rows behind the last one, which need not be there any more."""
    names = [name.lstrip("-") for name in key]
    ordered = in_order([*last, *(row for row in present if not same(last, row, names))], key)
    return ordered[1 + ordered.index(last[0]) :] if last else ordered


def same(last: list[Row], row: Row, names: list[str]) -> bool:
    return any(all(getattr(one, name) == getattr(row, name) for name in names) for one in last)


FIVE = [Row(id=10 * number, a=number, b="b") for number in range(1, 6)]


def visits(job: Job, store: Store, changes: dict[int, Any], page: int = 2) -> list[int]:
    """The ids that are visited, while the table changes in the bodies of some."""
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(store.source(["id"], page)):
            visited.append(plain(item).id)
            changes.get(visited[-1], lambda: None)()

    execution = job.execute(visit)
    assert execution.error is None
    return visited


def test_rows_that_are_inserted_ahead_of_the_page_in_hand_are_seen(job: Job, store: Store) -> None:
    store.fill(FIVE)
    ahead, at_the_end, behind = (Row(id_, id_, "new") for id_ in (25, 99, 5))

    def insert() -> None:
        for row in (ahead, at_the_end, behind):
            store.insert(row)

    assert visits(job, store, {10: insert}) == [10, 20, 25, 30, 40, 50, 99]


def test_rows_that_are_deleted_ahead_of_the_page_in_hand_are_not_seen(
    job: Job, store: Store
) -> None:
    store.fill(FIVE)

    def delete() -> None:
        store.delete(FIVE[2])
        store.delete(FIVE[0])

    assert visits(job, store, {10: delete}) == [10, 20, 40, 50]


def test_the_row_that_the_next_page_begins_behind_may_be_gone(job: Job, store: Store) -> None:
    store.fill(FIVE)
    changes = {row.id: lambda row=row: store.delete(row) for row in FIVE}
    assert visits(job, store, changes) == [10, 20, 30, 40, 50]
    assert list(store.source(["id"], 2)) == []


def test_the_cursor_is_the_key_of_the_last_row(job: Job, store: Store) -> None:
    @step
    def visit(step: Step) -> list[Any]:
        return [step.cursor for _ in step.each(store.source(["-a", "b"], 2))]

    store.fill(FIVE)
    expected = [None, [5, "b"], [4, "b"], [3, "b"], [2, "b"]]
    assert job.execute(visit).result == expected


def test_another_key_or_order_than_the_cursors_is_refused(job: Job, store: Store) -> None:
    key = ["a", "b"]

    @step
    def visit(step: Step) -> None:
        for _ in step.each(store.source(key, 2)):
            job.call()

    store.fill(FIVE)
    assert job.execute(visit).error is None
    cursor = job.cursor
    for other in (["-a", "b"], ["b", "a"], ["id"]):
        key = other
        execution = job.execute(visit)
        assert isinstance(execution.error, InvalidStepError)
        assert "which its cursor was kept with" in str(execution.error)
        assert job.cursor == cursor


def test_another_page_size_may_be_taken_on_resume(job: Job, store: Store) -> None:
    page, visited = 1, []

    @step
    def visit(step: Step) -> None:
        nonlocal page
        for item in step.each(store.source(["id"], page)):
            visited.append(plain(item).id)
            job.call()
        page += 1

    store.fill(FIVE)
    job.execute_until_done(visit)
    assert visited == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("cursor", [5, [], [1, 2, 3], ["a"], {"id": 1}, [None, 1], [1.5, "b"]])
def test_a_cursor_of_another_form_is_refused(cursor: object, job: Job, store: Store) -> None:
    @step(start=cursor)
    def visit(step: Step) -> None:
        for _ in step.each(store.source(["a", "b"], 2)):
            raise AssertionError

    store.fill(FIVE)
    assert isinstance(job.execute(visit).error, InvalidStepError)


@pytest.mark.parametrize("page", [0, -1, True, 2.0, None])
def test_a_page_has_a_number_of_rows(page: Any, store: Store) -> None:
    with pytest.raises(ValueError, match="page must be a number of rows"):
        store.source(["id"], page)


def test_sources_over_tables_count_rows_when_they_are_asked_to(store: Store) -> None:
    source: Source[Any] = store.source(["id"], 2)
    assert source.unit == "rows"
    assert source.total is None


class Moments(KeysetSource):
    """Every hour of a night in which the clock is put back."""

    ALL = tuple(
        datetime(2024, 10, 27, hour, tzinfo=timezone.utc).astimezone(BERLIN) for hour in range(4)
    )

    def __init__(self) -> None:
        super().__init__([Column("at", descending=False)], 2, count=True)

    def _read(self, after: Any) -> Any:
        values = [at for at in self.ALL if after is None or at.astimezone(timezone.utc) > after[0]]
        return [str(at) for at in values[:3]], [values[:3]]

    def _count(self) -> int:
        return len(self.ALL)


def test_two_moments_that_the_clock_shows_alike_are_two_keys() -> None:
    assert list(Moments()) == [str(at) for at in Moments.ALL]
    assert_law(Moments, plain=False)


@pytest.mark.parametrize("buffer", [bytearray, memoryview])
def test_a_buffer_in_a_key_is_bytes(buffer: Any) -> None:
    class Buffers(Moments):
        def _read(self, after: Any) -> Any:
            return ["a"], [[buffer(b"a")]]

    [(_, [key])] = Buffers().open(None)
    assert (type(key), key) == (bytes, b"a")  # a buffer would equal them


def test_a_key_that_is_another_one_in_the_database_is_an_error_and_no_endless_loop() -> None:
    class Rounding(Moments):
        def _read(self, after: Any) -> Any:
            return ["a"] * 3, [[1, 2, 3] if after is None else [2, 3, 4]]

    with pytest.raises(InvalidStepError, match=r"row with the key \[2\] was read behind itself"):
        list(Rounding())


SIZES = ["small", "medium", "large"]


class Sizes(KeysetSource):
    """Ordered by their numbers and compared as texts, as MySQL does with an ENUM."""

    def __init__(self, present: Sequence[str], *, descending: bool, page: int) -> None:
        super().__init__([Column("size", descending=descending)], page, count=False)
        self.present = sorted(present, key=SIZES.index, reverse=descending)

    def _read(self, after: Any) -> Any:
        found = [size for size in self.present if after is None or self._is_behind(size, *after)]
        return found[: self._limit], [found[: self._limit]]

    def _is_behind(self, size: str, after: str) -> bool:
        return size < after if self._columns[0].descending else size > after

    def _count(self) -> int:
        return len(self.present)


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("descending", [False, True])
def test_an_order_that_is_not_that_of_comparisons_is_an_error_and_neither_skip_nor_loop(
    descending: bool, page: int
) -> None:
    source = Sizes(SIZES, descending=descending, page=page)
    given: list[str] = []
    with pytest.raises(InvalidStepError, match=r"\['\w+'\] is at another place in the order than"):
        given.extend(size for size, _ in source.open(None))
    assert given == source.present[: len(given)]


def test_an_execution_that_dies_within_a_page_does_it_again_from_the_last_save(
    job: Job, store: Store
) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(store.source(["id"], 3)):
            visited.append(plain(item).id)
            if visited == [10, 20]:
                step.save()
            if visited == [10, 20, 30]:
                raise KeyError

    store.fill(FIVE)
    assert isinstance(job.execute(visit).error, KeyError)
    assert job.execute(visit).error is None
    assert visited == [10, 20, 30, 30, 40, 50]

"""What the wrappers promise beyond the law: in a step, over a deploy, and of what they refuse."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from rq_steps import InvalidStepError, Step, sources, step
from rq_steps.record import SourceMark
from rq_steps.sources import Source, batches, chain, csv_rows, lines, nested, numbered
from tests.unit.memory import Job


class Keyed(Source[str]):
    """Rows by their key, as a table gives them: others may come and go meanwhile."""

    kind = "keyed"

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = sorted(keys)

    def open(self, cursor: Any) -> Iterator[tuple[str, Any]]:
        begin = 0 if cursor is None else bisect_right(self.keys, cursor)
        for key in self.keys[begin:]:
            yield key, key


def run(job: Job, source: Callable[[], Iterable[Any]], *, until: object = None) -> list[Any]:
    """The items that one execution handles; `until` is the last one where the job is stopped."""
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(source()):
            visited.append(item)
            if item == until:
                job.call()

    execution = job.execute(visit)
    if execution.error is not None:
        raise execution.error
    assert (execution.departure is None) == (until is None)
    return visited


def generated(length: int) -> Iterator[int]:
    yield from range(length)


def numbers_file(length: int) -> io.BytesIO:
    return io.BytesIO(b"".join(b"%d\n" % number for number in range(length)))


# In a step


WRAPPED: dict[str, Callable[[], Any]] = {
    "batches": lambda: batches(generated(7), 2),
    "batches of lines": lambda: batches(lines(numbers_file(7)), 2),
    "numbered": lambda: numbered(list("abc"), 1),
    "chain": lambda: chain([1, 2], generated(2), lines(numbers_file(2))),
    "nested": lambda: nested([2, 0, 3], generated),
    "nested in nested": lambda: nested(nested(["a", "b"], lambda _: [0, 1]), list),
    "batches of a chain": lambda: batches(chain([1, 2], [3]), 2),
}


@pytest.fixture(params=sorted(WRAPPED))
def make(request: pytest.FixtureRequest) -> Callable[[], Iterable[Any]]:
    return WRAPPED[request.param]


def test_each_gives_all_items_once_when_it_is_interrupted_after_every_one(
    make: Callable[[], Iterable[Any]], job: Job
) -> None:
    visited: list[Any] = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(make()):
            visited.append(item)
            job.call()

    job.execute_until_done(visit)
    assert visited == list(make())


def test_an_item_that_failed_comes_again(make: Callable[[], Iterable[Any]], job: Job) -> None:
    visited: list[Any] = []
    failing = list(make())[1]

    @step
    def visit(step: Step) -> None:
        for item in step.each(make()):
            visited.append(item)
            if item == failing and visited.count(item) == 1:
                raise ValueError

    assert isinstance(job.execute(visit).error, ValueError)
    assert job.execute(visit).error is None
    assert visited == [*list(make())[:2], *list(make())[1:]]


def test_a_source_is_read_no_further_than_the_item_asked_for(job: Job) -> None:
    read = []

    def reading() -> Iterator[int]:
        for item in range(4):
            read.append(item)
            yield item

    @step
    def visit(step: Step) -> Any:
        source = numbered(nested(chain(reading()), lambda _: ["x"]))
        return [list(read) for _ in step.each(source)]

    assert job.execute(visit).result == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_a_source_that_fails_leaves_what_was_not_handed_out_undone(job: Job) -> None:
    def failing() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        run(job, lambda: batches(failing(), 2))
    assert job.cursor == 4


def test_a_list_that_grows_gives_what_was_added(job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        items, visited = [0, 1, 2], list[int]()
        for _, item in step.each(numbered(items)):
            visited.append(item)
            if item in (2, 3):
                items.append(item + 1)
        return visited

    assert job.execute(visit).result == [0, 1, 2, 3, 4]


# Batches


def test_another_size_after_a_deploy_neither_skips_nor_repeats(job: Job) -> None:
    assert run(job, lambda: batches(generated(10), 3), until=[3, 4, 5]) == [[0, 1, 2], [3, 4, 5]]
    assert run(job, lambda: batches(generated(10), 2), until=[6, 7]) == [[6, 7]]
    assert run(job, lambda: batches(generated(10), 500)) == [[8, 9]]


def test_batches_may_come_and_go_over_a_deploy(job: Job) -> None:
    file = numbers_file(6)
    assert run(job, lambda: lines(file), until="0") == ["0"]
    assert run(job, lambda: batches(lines(file), 2), until=["1", "2"]) == [["1", "2"]]
    assert run(job, lambda: lines(file)) == ["3", "4", "5"]


def test_batches_of_a_list_keep_its_length(job: Job) -> None:
    run(job, lambda: batches([1, 2, 3], 2), until=[1, 2])
    current = job.record.current
    assert current is not None
    assert current.source == SourceMark("sequence", 3)
    with pytest.raises(InvalidStepError, match="found a sequence of 4 items"):
        run(job, lambda: batches([1, 2, 3, 4], 2))


def test_batches_keep_the_contract_of_their_source(job: Job) -> None:
    run(job, lambda: batches(lines(numbers_file(9)), 2), until=["0", "1"])
    with pytest.raises(InvalidStepError, match="shrunk"):
        run(job, lambda: batches(lines(numbers_file(3)), 2))


def test_the_last_batch_may_be_shorter_and_none_is_empty() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches(range(4), 2)) == [[0, 1], [2, 3]]
    assert list(batches([], 2)) == []


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (True, TypeError)])
def test_the_size_of_a_batch_is_at_least_one(size: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="the size of a batch"):
        batches([1], size)


# Numbers


def test_the_number_goes_on_after_a_resume(job: Job) -> None:
    assert run(job, lambda: numbered(list("abcd"), 1), until=(2, "b")) == [(1, "a"), (2, "b")]
    assert run(job, lambda: numbered(list("abcd"), 1)) == [(3, "c"), (4, "d")]


def test_enumerate_is_another_name_of_numbered() -> None:
    assert sources.enumerate is numbered


def test_a_star_import_leaves_pythons_enumerate_alone() -> None:
    assert "enumerate" not in sources.__all__


def test_another_first_number_after_a_deploy_is_an_error(job: Job) -> None:
    run(job, lambda: numbered(list("abcd")), until=(1, "b"))
    with pytest.raises(InvalidStepError, match="found start=1, expected start=0"):
        run(job, lambda: numbered(list("abcd"), 1))


def test_numbers_keep_the_contract_of_their_source(job: Job) -> None:
    run(job, lambda: numbered([1, 2, 3]), until=(1, 2))
    with pytest.raises(InvalidStepError, match="found a sequence of 4 items, expected a seq"):
        run(job, lambda: numbered([1, 2, 3, 4]))


def test_the_first_number_is_an_int() -> None:
    with pytest.raises(TypeError, match="the first number is an int, found '1'"):
        numbered([1], "1")  # type: ignore[call-overload]  # it is what is refused


# Chains


def test_a_chain_opens_none_but_the_source_in_hand(job: Job) -> None:
    opened = []

    class Opening(Keyed):
        def open(self, cursor: Any) -> Iterator[tuple[str, Any]]:
            opened.append(self.keys)
            return super().open(cursor)

    def source() -> Iterable[str]:
        return chain(*map(Opening, ["ab", "cd", "ef"]))

    run(job, source, until="c")
    assert opened == [["a", "b"], ["c", "d"]]
    run(job, source)
    assert opened[2:] == [["c", "d"], ["e", "f"]]


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ([[1, 2]], "chain: found 1 sources, expected 2"),
        (
            [[1, 2], (each for each in [3])],
            "chain, source 1: found an iterable, expected a sequence of 1 items",
        ),
        (
            [[1], [3]],
            "chain, source 0: found a sequence of 1 items, expected a sequence of 2 items",
        ),
    ],
)
def test_a_chain_of_other_sources_is_an_error(after: Any, message: str, job: Job) -> None:
    run(job, lambda: chain([1, 2], [3]), until=1)
    with pytest.raises(InvalidStepError) as raised:
        run(job, lambda: chain(*after))
    assert str(raised.value) == f"step 'visit': {message}"


# Nesting


def pages_of(book: str) -> list[int]:
    return [1, 2, 3]


def test_the_inner_source_is_gone_on_with_where_it_was(job: Job) -> None:
    made = []

    def inner(book: str) -> list[int]:
        made.append(book)
        return pages_of(book)

    run(job, lambda: nested(list("ab"), inner), until=("b", 2))
    assert run(job, lambda: nested(list("ab"), inner)) == [("b", 3)]
    assert made == ["a", "b", "b"]


def test_an_item_inserted_before_the_one_in_hand_does_no_harm(job: Job) -> None:
    run(job, lambda: nested(Keyed("bd"), pages_of), until=("d", 2))
    rest = run(job, lambda: nested(Keyed("bcd"), pages_of))
    assert rest == [("c", 1), ("c", 2), ("c", 3), ("d", 3)]


def test_an_item_inserted_in_a_loop_within_does_no_harm_either(job: Job) -> None:
    def shelves(keys: str) -> Source[Any]:
        return nested(nested(["s"], lambda _: Keyed(keys)), lambda _: [1, 2, 3])

    run(job, lambda: shelves("bd"), until=(("s", "d"), 2))
    assert run(job, lambda: shelves("bcd"))[2:] == [(("s", "c"), 3), (("s", "d"), 3)]


IN_BATCHES: dict[str, Callable[[int], Source[Any]]] = {
    "batches": lambda size: batches(range(6), size),
    "numbered": lambda size: numbered(batches(range(6), size)),
    "chain": lambda size: chain(batches(range(6), size), []),
    "nested": lambda size: nested(["a"], lambda _: batches(range(6), size)),
}


@pytest.mark.parametrize("outer", IN_BATCHES.values(), ids=IN_BATCHES)
def test_a_batch_in_hand_that_has_another_size_now_is_begun_at_its_beginning(
    outer: Callable[[int], Source[Any]], job: Job
) -> None:
    def numbers(item: Any) -> Iterator[int]:
        yield from item[1] if isinstance(item, tuple) else item

    first = next(iter(outer(4)))
    visited = run(job, lambda: nested(outer(4), numbers), until=(first, 1))
    assert [number for _, number in visited] == [0, 1]
    visited = run(job, lambda: nested(outer(2), numbers))
    assert [number for _, number in visited] == [0, 1, 2, 3, 4, 5]


def test_what_was_in_a_batch_within_nested_is_not_skipped_where_there_are_none_now(
    job: Job,
) -> None:
    visited = run(job, lambda: nested(batches(range(2), 2), iter), until=([0, 1], 0))
    assert visited == [([0, 1], 0)]
    assert run(job, lambda: nested(range(2), lambda _: generated(2))) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_what_comes_in_the_place_of_an_item_that_is_gone_is_begun_at_its_beginning(
    job: Job,
) -> None:
    run(job, lambda: nested(Keyed("abc"), pages_of), until=("b", 2))
    assert run(job, lambda: nested(Keyed("ac"), pages_of)) == [("c", 1), ("c", 2), ("c", 3)]


def test_an_inner_that_makes_nothing_is_refused_at_once() -> None:
    wrong: Any = [3]
    with pytest.raises(TypeError, match=r"^inner is a function that makes a source .* found \[3\]"):
        nested([1, 2], wrong)


def test_an_inner_source_of_another_kind_or_length_is_an_error(job: Job) -> None:
    run(job, lambda: nested(list("ab"), pages_of), until=("b", 2))
    with pytest.raises(InvalidStepError) as raised:
        run(job, lambda: nested(list("ab"), lambda _: [2, 3]))
    assert str(raised.value) == (
        "step 'visit': nested source, inner source of 'b': "
        "found a sequence of 2 items, expected a sequence of 3 items"
    )


def test_an_inner_file_that_has_changed_is_an_error(job: Job) -> None:
    def rows(length: int) -> Callable[[int], Source[list[str]]]:
        return lambda _: csv_rows(numbers_file(length))

    run(job, lambda: nested([0, 1], rows(3)), until=(1, ["0"]))
    with pytest.raises(InvalidStepError, match=r"inner source of 1: .* has shrunk"):
        run(job, lambda: nested([0, 1], rows(2)))


def test_another_outer_source_is_an_error(job: Job) -> None:
    run(job, lambda: nested(list("ab"), pages_of), until=("b", 2))
    with pytest.raises(InvalidStepError, match="nested source, outer source: found a sequence of"):
        run(job, lambda: nested(list("abc"), pages_of))


# What they refuse, and what they tell


@pytest.mark.parametrize(
    "wrap",
    [
        lambda given: batches(given, 2),
        numbered,
        lambda given: chain([1], given),
        lambda given: nested(given, pages_of),
        lambda given: list(nested([1], lambda _: given)),
    ],
)
def test_a_wrapper_refuses_what_each_refuses(wrap: Callable[[Any], Iterable[Any]]) -> None:
    with pytest.raises(InvalidStepError, match="a set has no stable order"):
        wrap({1, 2})
    with pytest.raises(TypeError, match="cannot be iterated"):
        list(wrap(5))


@pytest.mark.parametrize(
    ("source", "start"),
    [
        (numbered([1]), 5),
        (numbered([1]), {"number": "1", "cursor": 0}),
        (numbered([1]), {"number": 0, "cursor": -1}),
        (numbered([1]), {"number": 9, "cursor": 9}),
        (chain([1]), {"number": 0, "cursor": 0}),
        (chain([1]), {"source": 2, "cursor": None}),
        (chain([1]), {"source": -1, "cursor": None}),
        (nested([1], generated), [0, 1]),
        (batches([1], 2), "1"),
    ],
)
def test_a_cursor_of_another_form_is_an_error(source: Any, start: Any, job: Job) -> None:
    @step(start=start)
    def visit(step: Step) -> None:
        list(step.each(source))

    assert isinstance(job.execute(visit).error, InvalidStepError)


@pytest.mark.parametrize(
    ("source", "total", "unit"),
    [
        (batches([1, 2, 3], 2), 3, "items"),
        (batches(lines(numbers_file(4)), 2), 8, "bytes"),
        (numbered(lines(numbers_file(4))), 8, "bytes"),
        (chain([1], range(5)), 6, "items"),
        (chain(lines(numbers_file(4)), lines(numbers_file(1))), 10, "bytes"),
        (chain(lines(numbers_file(4)), [1]), None, "items"),
        (chain([1], generated(2)), None, "items"),
        (chain(), 0, "items"),
        (nested([1], generated), None, "items"),
    ],
)
def test_a_wrapper_tells_how_much_there_is_where_its_sources_do(
    source: Source[Any], total: int | None, unit: str
) -> None:
    assert (source.total, source.unit) == (total, unit)

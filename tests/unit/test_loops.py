"""The loops of `step.each`, in both their forms: cut inside the interpreter, and item by item."""

from __future__ import annotations

import gc
import io
import os
import signal
import threading
from array import array
from collections import ChainMap, OrderedDict, UserDict, deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from enum import Enum
from itertools import count, islice
from pathlib import Path
from traceback import extract_tb
from typing import Any
from unittest.mock import MagicMock
from weakref import ReferenceType, ref

import pytest

from rq_steps import InvalidStepError, Step, UnserializableError, step
from rq_steps.attention import Attention, Unattended
from rq_steps.loops import loop_over
from rq_steps.record import SourceMark
from rq_steps.signals import handling
from rq_steps.sources import Source, batches, chain, jsonl, lines, nested, numbered, source_of
from rq_steps.sources.chaining import LinkPage
from rq_steps.sources.line_page import LinePage
from rq_steps.sources.page import Page
from rq_steps.sources.protocol import IndexedSource, PagedSource
from rq_steps.sources.text_file import TextPage
from rq_steps.values import JSON
from tests.unit.instructions import Instructions
from tests.unit.memory import Job

SEGMENT = 4096
"""How many items of an iterable the interpreter is left alone with."""


class Column:
    """Like an array of numpy's: a length and an index, no truth, and no equality to rely on."""

    def __init__(self, *items: int) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> int:
        return self.items[index]

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


class Rows(Sequence[int]):
    """A sequence of somebody's own."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: Any) -> Any:
        return (10, 20, 30, 40)[index]


class Pages:
    """Nothing but iterable."""

    def __iter__(self) -> Iterator[int]:
        yield from (1, 2, 3)


class Bar(Pages):
    """A progress bar: it has a length, and cannot tell it of every iterable."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __len__(self) -> int:
        raise self.error


class Color(Enum):
    RED = 1
    GREEN = 2


class Table(dict[str, int]):
    """Has keys, as a data frame has: its index is no position."""


def generated() -> Iterator[int]:
    yield from range(5)


class QuerySet:
    """Not Django's."""

    def _iterator(self) -> Iterator[int]:
        yield from (1, 2, 3)


class Lenient:
    """Has whatever attribute it is asked for."""

    def __getattr__(self, name: str) -> dict[str, str]:
        return {"name": name}

    def __iter__(self) -> Iterator[int]:
        return iter((1, 2, 3))


SOURCES: dict[str, Callable[[], Any]] = {
    "list": lambda: [5, 6, 7, 8],
    "tuple": lambda: ("a", "b", "c"),
    "range": lambda: range(3, 30, 7),
    "range downwards": lambda: range(5, 0, -1),
    "range of big numbers": lambda: range(2**70, 2**70 + 4),
    "list of one": lambda: [None],
    "empty list": list,
    "empty range": lambda: range(0),
    "bytes": lambda: b"abc",
    "deque": lambda: deque([1, 2, 3]),
    "array": lambda: array("i", [1, 2, 3]),
    "memoryview": lambda: memoryview(b"abc"),
    "numpy-like": lambda: Column(1, 2, 3),
    "own sequence": Rows,
    "generator": generated,
    "generator of one": lambda: (each for each in [7]),
    "empty generator": lambda: (each for each in list[int]()),
    "iterator": lambda: iter([1, 2, 3]),
    "map": lambda: map(str, [1, 2, 3]),
    "enumerate": lambda: enumerate("abc"),
    "Enum": lambda: Color,
    "items of a mapping": lambda: UserDict(a=1, b=2).items(),
    "keys of a mapping": lambda: ChainMap({1: 2, 3: 4}).keys(),
    "file": lambda: io.StringIO("one\ntwo\nthree\n"),
    "iterable": Pages,
    "progress bar": lambda: Bar(TypeError),
    "dict": lambda: {"a": 1, "b": 2, "c": 3},
    "dict keys": lambda: {"a": 1, "b": 2}.keys(),
    "dict values": lambda: {"a": 1, "b": 2}.values(),
    "dict items": lambda: {"a": 1, "b": 2}.items(),
    "ordered dict keys": lambda: OrderedDict(a=1, b=2).keys(),
    "falsy items": lambda: (each for each in (0, None, "", False)),
    "table": lambda: Table(a=1, b=2),
    "a QuerySet of one's own": lambda: QuerySet()._iterator(),
    "what has any attribute": Lenient,
}


@pytest.fixture(params=sorted(SOURCES))
def make(request: pytest.FixtureRequest) -> Callable[[], Iterable[Any]]:
    """Makes the same source anew for each execution."""
    return SOURCES[request.param]


class Numbers(Source[int]):
    """A source of somebody's own."""

    def __init__(self, items: Iterable[int], order: str = "up") -> None:
        self.items = list(items)
        self.order = order

    @property
    def contract(self) -> JSON:
        return {"order": (self.order,)}  # type: ignore[dict-item]  # a tuple is as good as a list

    def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
        done = 0 if cursor is None else cursor["record"] - 1
        for number, item in enumerate(self.items[done:], done + 1):
            yield item, {"record": number + 1}


def json_lines(items: Iterable[int]) -> Source[int]:
    """A file, two or three of whose records are in each page."""
    source = jsonl(io.BytesIO("".join(f"{item}\n" for item in items).encode()))
    source.block_size = 5
    return source


def walked_lines(items: Iterable[Any], *, ended: bool = True) -> Source[str]:
    """A file, two or three of whose lines are in each page, which gives them one at a time."""
    text = "".join(f"{item}\n" for item in items)
    data = (text if ended else text.removesuffix("\n")).encode()
    source = lines(io.BytesIO(data), keepends=True)
    source.block_size = 5
    return source


class Walked(PagedSource[int]):
    """Numbers that are lines of a file."""

    kind = "walked"

    def __init__(self, items: Iterable[int]) -> None:
        self.lines = walked_lines(items)

    def pages(self, cursor: Any) -> Iterator[Page[int]]:
        assert isinstance(self.lines, PagedSource)
        for page in self.lines.pages(cursor):
            assert isinstance(page, TextPage)
            is_walked = isinstance(page, LinePage)
            yield WalkedPage(page, 0) if is_walked else page.of(list(map(int, page.items)))


class Unended(Walked):
    """The same, and the last of them has no end."""

    def __init__(self, items: Iterable[int]) -> None:
        self.lines = walked_lines(items, ended=False)


class WalkedPage(LinkPage[int]):
    """The numbers that the lines of a page are."""

    @property
    def items(self) -> list[int]:
        return [int(line) for line in self._page.items]

    def segment(self, done: int) -> Any:
        segment = self._page.segment(done)
        segment._lines = map(int, segment._lines)
        return segment

    def one(self, done: int) -> Iterable[int]:
        return map(int, self._page.one(done))

    def cursor(self, done: int) -> Any:
        return self._page.cursor(done)


LISTS = pytest.mark.parametrize("kind", [list, tuple, iter, Column])
"""Sources that go different ways: cut by themselves, cut by ticks, and never cut."""
KINDS = pytest.mark.parametrize("kind", [list, tuple, iter, Column, json_lines, Walked, Numbers])
"""The same, and those whose cursor is no index: over pages, and over pairs."""


def span(items: range) -> range:
    return items


def index(cursor: Any) -> Any:
    """How many items are done."""
    if cursor is None:
        return 0
    return cursor["record"] - 1 if isinstance(cursor, dict) else cursor


def sized(kind: Callable[..., Any], length: int) -> Any:
    return Column(*range(length)) if kind is Column else kind(range(length))


# What a loop gives


def test_each_gives_the_items_of_the_source(make: Callable[[], Iterable[Any]], job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        return list(step.each(make()))

    assert job.execute(visit).result == list(make())


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


def test_each_gives_all_items_once_when_every_checkpoint_is_looked_at(
    make: Callable[[], Iterable[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> Any:
        return list(step.each(make()))

    execution = job.execute(visit, every=True)
    assert execution.result == list(make())
    assert execution.attended_count == max(len(list(make())) - 1, 0)


def test_each_gives_all_items_once_when_a_call_is_answered_and_the_loop_goes_on(
    make: Callable[[], Iterable[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> Any:
        visited = []
        for item in step.each(make()):
            visited.append(item)
            if len(visited) % 2:
                job.call(None)
        return visited

    assert job.execute(visit).result == list(make())


def test_the_cursor_is_the_number_of_items_done(
    make: Callable[[], Iterable[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> Any:
        in_body = [step.cursor for _ in step.each(make())]
        return in_body, step.cursor

    length = len(list(make()))
    assert job.execute(visit).result == (list(range(length)), length)


def test_the_cursor_is_the_number_of_items_done_after_a_call_too(
    make: Callable[[], Iterable[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> Any:
        cursors = []
        for _ in step.each(make()):
            before = step.cursor
            job.call(None)
            cursors.append((before, step.cursor))
        return cursors, step.cursor

    length = len(list(make()))
    assert job.execute(visit).result == ([(at, at) for at in range(length)], length)


def test_the_cursor_is_the_number_of_items_done_where_somebody_called_before_the_first(
    make: Callable[[], Iterable[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> Any:
        job.call(None)
        in_body = [step.cursor for _ in step.each(make())]
        return in_body, step.cursor

    length = len(list(make()))
    assert job.execute(visit).result == (list(range(length)), length)


@pytest.mark.parametrize("begin", [0, 1, 2])
def test_each_begins_at_start(begin: int, make: Callable[[], Iterable[Any]], job: Job) -> None:
    items = list(make())
    begin = min(begin, len(items))

    @step(start=begin)
    def visit(step: Step) -> Any:
        return [(step.cursor, item) for item in step.each(make())]

    assert job.execute(visit).result == list(enumerate(items))[begin:]


def test_each_outside_a_continuable_is_the_bare_loop(make: Callable[[], Iterable[Any]]) -> None:
    @step
    def visit(step: Step) -> list[Any]:
        return [(step.cursor, item) for item in step.each(make())]

    assert visit() == list(enumerate(make()))


@pytest.mark.parametrize("length", [SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT])
@pytest.mark.parametrize("kind", [list, iter])
def test_long_sources_are_given_whole(kind: Callable[..., Any], length: int) -> None:
    @step
    def visit(step: Step) -> Any:
        return sum(step.cursor == item for item in step.each(kind(range(length)))), step.cursor

    assert Job().execute(visit).result == (length, length)


@pytest.mark.parametrize("at", [0, SEGMENT - 2, SEGMENT - 1, SEGMENT, SEGMENT + 1])
@pytest.mark.parametrize("kind", [list, iter])
def test_long_sources_are_cut_at_any_place(kind: Callable[..., Any], at: int) -> None:
    job, visited = Job(), list[int]()

    @step
    def visit(step: Step) -> None:
        for item in step.each(kind(range(SEGMENT + 3))):
            visited.append(item)
            if item == at:
                job.call()

    execution = job.execute(visit)
    assert visited == list(range(at + 1))
    assert execution.departure is not None
    assert job.execute(visit).departure is None
    assert visited == list(range(SEGMENT + 3))


def test_an_endless_source_can_be_iterated(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        for item in step.each(count()):
            if item == 7:
                job.call()

    assert job.execute(visit).departure is not None
    assert job.cursor == 8


def test_a_range_that_is_longer_than_python_counts_is_gone_on_with(job: Job) -> None:
    interrupted_after_two(job, range(2**70, 2**72))

    @step
    def visit(step: Step) -> int:
        return next(iter(step.each(range(2**70, 2**72))))

    assert job.execute(visit).result == 2**70 + 2


def test_a_deque_that_changes_under_the_loop_is_an_error_as_in_a_bare_one(job: Job) -> None:
    jobs = deque(range(10))

    @step
    def visit(step: Step) -> None:
        for _ in step.each(jobs):
            jobs.popleft()

    assert "mutated during iteration" in str(job.execute(visit).error)


def test_a_generator_is_never_read_ahead_by_more_than_the_item_asked_for(job: Job) -> None:
    read = []

    def reading() -> Iterator[int]:
        for item in range(3):
            read.append(item)
            yield item

    @step
    def visit(step: Step) -> Any:
        return [list(read) for _ in step.each(reading())]

    assert job.execute(visit).result == [[0], [0, 1], [0, 1, 2]]


# Where it may be interrupted


@KINDS
def test_an_execution_moves_by_at_least_one_item(kind: Callable[..., Any], job: Job) -> None:
    visited = list[int]()

    @step
    def visit(step: Step) -> None:
        job.call()
        visited.extend(step.each(sized(kind, 4)))

    for done in (1, 2, 3, 4):
        execution = job.execute(visit)
        assert visited == list(range(done))
        assert (execution.departure is None) == (done == 4)


@KINDS
def test_each_checkpoints_after_an_item_and_before_the_next(
    kind: Callable[..., Any], job: Job
) -> None:
    turns: list[Any] = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(sized(kind, 3)):
            turns.append(item)

    job.execute(visit, lambda execution: turns.append("checkpoint"), every=True)
    assert turns == [0, "checkpoint", 1, "checkpoint", 2]


@KINDS
def test_nothing_is_interrupted_after_the_last_item(kind: Callable[..., Any], job: Job) -> None:
    @step
    def visit(step: Step) -> str:
        for item in step.each(sized(kind, 3)):
            if item == 2:
                job.call()
        return "whole"

    execution = job.execute(visit)
    assert execution.departure is None
    assert execution.result == "whole"


@KINDS
def test_a_call_in_the_body_is_heeded_before_the_next_item(
    kind: Callable[..., Any], job: Job
) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(sized(kind, 9)):
            if item == 4:
                job.call()
            visited.append(item)

    job.execute(visit)
    assert visited == [0, 1, 2, 3, 4]


@KINDS
def test_a_real_signal_is_heeded_before_the_next_item(kind: Callable[..., Any], job: Job) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        with handling(signal.SIGUSR1, job.call):
            for item in step.each(sized(kind, 9)):
                if item == 4:
                    signal.raise_signal(signal.SIGUSR1)
                visited.append(item)

    job.execute(visit)
    assert visited == [0, 1, 2, 3, 4]
    job.execute(visit)
    assert visited == list(range(9))


@KINDS
def test_a_call_from_another_thread_is_heeded_before_the_next_item(
    kind: Callable[..., Any], job: Job
) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(sized(kind, 9)):
            if item == 4:
                job.call_from_thread()
            visited.append(item)

    job.execute(visit)
    assert visited == [0, 1, 2, 3, 4]
    job.execute(visit)
    assert visited == list(range(9))


def test_a_loop_that_began_before_every_checkpoint_counts_is_looked_at_from_then_on(
    job: Job,
) -> None:
    @step
    def visit(step: Step) -> None:
        for item in step.each(range(6)):
            if item == 2:
                assert job.running is not None
                job.running.attention.always()

    assert job.execute(visit).attended_count == 3


# Ways out of a loop


@KINDS
def test_break_leaves_the_item_in_hand_undone(kind: Callable[..., Any], job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        for item in step.each(sized(kind, 9)):
            if item == 3:
                break
        assert index(step.cursor) == 3
        job.call()
        assert index(step.cursor) == 3
        step.checkpoint()

    job.execute(visit)
    assert index(job.cursor) == 3


@KINDS
def test_a_step_may_end_by_break_or_return(kind: Callable[..., Any], job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        for item in step.each(sized(kind, 9)):
            if item == 3:
                return item
        return None

    assert job.execute(visit).result == 3
    assert job.names == ["visit"]


@KINDS
def test_an_exception_leaves_the_item_in_hand_undone(kind: Callable[..., Any], job: Job) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(sized(kind, 5)):
            if item == 3 and 3 not in visited:
                visited.append(item)
                raise ValueError
            visited.append(item)

    assert isinstance(job.execute(visit).error, ValueError)
    assert job.execute(visit).error is None
    assert visited == [0, 1, 2, 3, 3, 4]


@KINDS
def test_a_users_generator_around_each_may_be_closed(kind: Callable[..., Any], job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        def doubled() -> Generator[int]:
            for item in step.each(sized(kind, 9)):
                yield 2 * item

        generator = doubled()
        found = list(islice(generator, 4))
        generator.close()
        return found, index(step.cursor)

    assert job.execute(visit).result == ([0, 2, 4, 6], 3)


@KINDS
def test_a_users_generator_around_each_is_interrupted_too(
    kind: Callable[..., Any], job: Job
) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in (2 * item for item in step.each(sized(kind, 4))):
            visited.append(item)
            job.call()

    job.execute_until_done(visit)
    assert visited == [0, 2, 4, 6]


@KINDS
def test_a_loop_that_is_never_begun_is_at_its_beginning(kind: Callable[..., Any], job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        step.each(sized(kind, 3))
        return index(step.cursor)

    assert job.execute(visit).result == 0


UNASKED = "Job a job: step 'visit': step.each was never asked for an item"


@KINDS
def test_a_loop_that_was_never_begun_is_warned_of_when_its_step_completes(
    kind: Callable[..., Any], job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    @step
    def visit(step: Step) -> None:
        map(print, step.each(sized(kind, 3)))

    assert job.execute(visit).error is None
    assert [each.getMessage() for each in caplog.records if UNASKED in each.getMessage()] == [
        f"{UNASKED}, and does nothing until it is looped over"
    ]
    assert job.names == ["visit"]


@KINDS
@pytest.mark.parametrize("length", [0, 1])
def test_a_loop_over_nothing_or_that_was_left_is_not_warned_of(
    length: int, kind: Callable[..., Any], job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    @step
    def visit(step: Step) -> None:
        for _ in step.each(sized(kind, length)):
            break

    assert job.execute(visit).error is None
    assert job.names == ["visit"]
    assert "never asked" not in caplog.text


@KINDS
def test_a_step_that_did_not_complete_is_not_told_that_it_did_not_loop(
    kind: Callable[..., Any], job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(sized(kind, 3))
        step.interrupt()

    assert job.execute(visit).departure is not None
    assert "never asked" not in caplog.text


@KINDS
def test_user_code_that_swallows_the_interrupt_gets_no_further_item(
    kind: Callable[..., Any], job: Job
) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        items = iter(step.each(sized(kind, 9)))
        while True:
            try:
                visited.append(next(items))
                job.call()
            except StopIteration:
                break
            except BaseException:
                visited.append("swallowed")

    execution = job.execute(visit)
    assert execution.departure is not None
    assert visited == [0, "swallowed"]
    assert job.names == []


# What a source may do while it is iterated


def test_a_list_that_grows_gives_what_was_added(job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        items, visited = [0, 1, 2], list[int]()
        for item in step.each(items):
            visited.append(item)
            if item in (1, 2, 3):
                job.call(None)
                items.append(item + 2)
        return visited

    assert job.execute(visit).result == [0, 1, 2, 3, 4, 5]


def test_a_list_that_grows_after_the_call_gives_nothing_before_the_checkpoint(job: Job) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        items = [0, 1]
        for item in step.each(items):
            visited.append(item)
            if item == 1:
                job.call()
                items.append(2)

    assert job.execute(visit).departure is not None
    assert visited == [0, 1]


def test_a_list_that_shrinks_ends_the_loop_as_it_would_a_bare_one(job: Job) -> None:
    @step
    def visit(step: Step) -> list[int]:
        items, visited = list(range(9)), list[int]()
        for item in step.each(items):
            visited.append(item)
            if item == 2:
                del items[5:]
            if item == 4:
                del items[:]
                job.call(None)
        return visited

    assert job.execute(visit).result == [0, 1, 2, 3, 4]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def failing(good: int) -> Iterator[int]:
    yield from range(good)
    raise OSError("the source is gone")


def failing_map(good: int) -> Iterator[float]:
    """Inside the interpreter: its error leaves no frame behind."""
    return map((1).__truediv__, [1] * good + [0])


FAILING = pytest.mark.parametrize("failing", [failing, failing_map])


@FAILING
def test_an_error_in_the_source_leaves_the_item_before_it_done(
    failing: Callable[[int], Iterator[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        for _ in step.each(failing(3)):
            pass

    execution = job.execute(visit)
    assert isinstance(execution.error, OSError | ZeroDivisionError)
    assert job.cursor == 3


@FAILING
def test_an_error_in_the_source_after_a_call_leaves_the_item_before_it_done(
    failing: Callable[[int], Iterator[Any]], job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        job.call(None)
        for item in step.each(failing(3)):
            if item == 1:
                job.call(None)

    assert isinstance(job.execute(visit).error, OSError | ZeroDivisionError)
    assert job.cursor == 3


@pytest.mark.parametrize("good", [0, 1])
def test_an_error_in_a_source_that_is_called_for_from_the_start_is_counted_right(
    good: int, job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        job.call(None)
        for _ in step.each(failing(good)):
            pass

    job.execute(visit)
    assert job.cursor == good


def test_while_a_source_looks_for_the_next_item_the_one_before_it_is_done(job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        cursors = []

        def looking() -> Iterator[int]:
            for item in range(3):
                cursors.append(step.cursor)
                yield item
            cursors.append(step.cursor)

        for item in step.each(looking()):
            if item == 1:
                job.call(None)
        return cursors

    assert job.execute(visit).result == [0, 1, 2, 3]


def test_who_catches_an_error_of_the_source_may_be_interrupted_behind_the_item_before_it(
    job: Job,
) -> None:
    @step
    def visit(step: Step) -> None:
        try:
            for _ in step.each(failing(3)):
                pass
        except OSError:
            step.interrupt(60, reason="rate limit")

    assert job.execute(visit).departure is not None
    assert job.cursor == 3


@pytest.mark.parametrize("reads_all", [True, False])
def test_an_item_that_reads_from_the_source_itself_is_in_hand_when_it_fails(
    reads_all: bool, job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        rows = generated()
        for item in step.each(rows):
            if item == 1:
                assert list(islice(rows, None if reads_all else 2))
                list(failing(0))

    assert isinstance(job.execute(visit).error, OSError)
    assert job.cursor == 1


def test_an_error_thrown_into_the_loop_leaves_the_item_in_hand_undone(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        items: Any = step.each(generated())
        assert list(islice(items, 2)) == [0, 1]
        items.throw(OSError)

    job.execute(visit)
    assert job.cursor == 1


def test_a_loop_that_is_closed_leaves_the_item_in_hand_undone(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        items: Any = step.each(generated())
        assert list(islice(items, 2)) == [0, 1]
        items.close()
        step.interrupt(60, reason="rate limit")

    job.execute(visit)
    assert job.cursor == 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda items: items,
        lambda items: batches(items, 2),
        numbered,
        chain,
        lambda items: nested([1], lambda _: items),
    ],
)
def test_a_generator_that_was_left_is_let_go_of_with_the_step(wrap: Any, job: Job) -> None:
    closed = []

    def reading() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            closed.append(True)

    @step
    def visit(step: Step) -> None:
        for _ in step.each(wrap(reading())):
            break

    with no_garbage_collection():
        job.execute(visit)
        assert closed


class Row:
    """Not a number, which nobody lets go of."""


@pytest.mark.parametrize("wrap", [lambda rows: batches(rows, 2), numbered, chain])
def test_the_items_that_a_loop_had_read_are_let_go_of_with_the_step(wrap: Any, job: Job) -> None:
    read: list[ReferenceType[Row]] = []

    def rows() -> Iterator[Row]:
        for _ in range(3):
            row = Row()
            read.append(ref(row))
            yield row

    @step
    def visit(step: Step) -> None:
        for _ in step.each(wrap(rows())):
            break

    with no_garbage_collection():
        job.execute(visit)
        assert [row() for row in read] == [None] * len(read)


class Flaky:
    """Raises once, and goes on when it is asked again."""

    def __init__(self) -> None:
        self.left = [1, 2, None, 3]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self

    def __next__(self) -> tuple[int, int]:
        if not self.left:
            raise StopIteration
        item = self.left.pop(0)
        if item is None:
            raise OSError("once")
        return item, item


class Unreliable(Source[int]):
    def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
        return Flaky()


@pytest.mark.parametrize(
    "make",
    [Unreliable, lambda: jsonl(io.BytesIO(b"1\n2\n{\n3\n")), lambda: chain(Unreliable())],
)
def test_a_source_that_raised_is_not_taken_for_ended(make: Callable[[], Any], job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        items, given = step.each(make()), []
        with pytest.raises((OSError, ValueError)):
            given.extend(items)
        assert given == [1, 2]
        with pytest.raises(InvalidStepError, match="the rest would be lost"):
            next(items)

    assert job.execute(visit).error is None


@pytest.mark.parametrize("kind", [list, tuple, Column, json_lines, Numbers])
def test_a_loop_whose_checkpoint_raised_is_not_taken_for_ended(
    kind: Callable[..., Any], job: Job
) -> None:
    def fail(execution: object) -> None:
        raise ConnectionError

    @step
    def visit(step: Step) -> None:
        items = iter(step.each(sized(kind, 3)))
        assert next(items) == 0
        job.call()
        with pytest.raises(ConnectionError):
            next(items)
        with pytest.raises(InvalidStepError, match="the rest would be lost"):
            next(items)

    assert job.execute(visit, fail).error is None


class NoSuchPlace(InvalidStepError):
    pass


def test_an_error_of_a_sources_own_keeps_its_kind_and_its_place(job: Job) -> None:
    class Lost(Source[int]):
        def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
            raise NoSuchPlace("nowhere")

    @step
    def visit(step: Step) -> None:
        step.each(Lost())

    error = job.execute(visit).error
    assert isinstance(error, NoSuchPlace)
    assert str(error) == "step 'visit': nowhere"
    assert any(frame.name == "open" for frame in extract_tb(error.__traceback__))


def test_an_error_that_names_its_step_is_left_as_it_is(job: Job) -> None:
    @step
    def inner() -> None:
        pass

    class Calling(Source[int]):
        def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
            inner()
            return iter([(1, 1)])

    @step
    def outer(step: Step) -> None:
        step.each(Calling())

    error = job.execute(outer).error
    assert (
        str(error)
        == "step 'inner' is nested inside step 'outer', or called beside it: one at a time"
    )


class Reader:
    """Gives pairs, is no generator, and holds something open."""

    def __init__(self) -> None:
        self.closed = False
        self._pairs = ((item, item + 1) for item in range(3))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self

    def __next__(self) -> tuple[int, int]:
        return next(self._pairs)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "wrap",
    [
        lambda source: source,
        lambda source: chain(source, [1]),
        lambda source: batches(source, 2),
        numbered,
        lambda source: nested([1], lambda _: source),
        lambda source: nested(source, lambda _: [1]),
    ],
)
def test_what_a_source_holds_open_is_closed_with_the_step(
    wrap: Callable[[Any], Any], job: Job
) -> None:
    reader = Reader()

    class Read(Source[int]):
        def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
            return reader

    @step
    def visit(step: Step) -> Any:
        for _ in step.each(wrap(Read())):
            break
        return reader.closed

    assert job.execute(visit).result is False
    assert reader.closed


def test_what_a_source_holds_open_is_closed_with_a_step_outside_any_continuable() -> None:
    reader, kept = Reader(), list[Step]()

    class Read(Source[int]):
        def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
            return reader

    @step
    def visit(step: Step) -> Any:
        kept.append(step)
        for _ in step.each(Read()):
            break
        return reader.closed

    assert visit() is False
    assert reader.closed
    with pytest.raises(InvalidStepError, match="step 'visit' is over"):
        kept[0].checkpoint()


def test_an_interrupt_in_the_source_leaves_the_item_before_it_done(job: Job) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        def pages() -> Iterator[int]:
            for item in range(4):
                step.checkpoint()
                yield item

        for item in step.each(pages()):
            visited.append(item)
            if item == 1:
                job.call()

    assert job.execute(visit).departure is not None
    job.execute_until_done(visit)
    assert visited == [0, 1, 2, 3]


# One each a step


@KINDS
def test_a_second_each_is_refused(kind: Callable[..., Any], job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        list(step.each(sized(kind, 3)))
        step.each(sized(kind, 3))

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': a second each, one step has one cursor: make it two steps; "
        "for a loop in a loop use nested(outer, inner) of rq_steps.sources"
    )


@KINDS
def test_a_loop_within_the_loop_is_refused(kind: Callable[..., Any], job: Job) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for outer in step.each(sized(kind, 3)):
            for inner in step.each(sized(kind, 3)):
                visited.append((outer, inner))

    assert isinstance(job.execute(visit).error, InvalidStepError)
    assert visited == []


@pytest.mark.parametrize(
    "move",
    [
        lambda step: step.set(5),
        lambda step: step.advance(),
        lambda step: step.advance(from_=5),
        lambda step: step.advance(from_="no successor"),
    ],
)
def test_set_and_advance_beside_each_are_refused(move: Callable[[Step], None], job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        for _ in step.each([1, 2]):
            move(step)

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': set and advance beside each, which moves the cursor itself"
    )


def test_each_after_set_is_refused(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.set(0)
        step.each([1, 2])

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': each beside set and advance, one step has one cursor: make it two steps"
    )


# What cannot be iterated


class Tags(frozenset[str]):
    pass


@pytest.mark.parametrize(
    "source", [set(), {1, 2}, frozenset([1]), Tags("ab"), {1: 2}.keys() | {3}, iter({1})]
)
def test_a_set_is_refused_since_it_has_no_stable_order(source: Iterable[Any], job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(source)

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        f"step 'visit': a {type(source).__name__} has no stable order to resume in: "
        "iterate sorted(...)"
    )


@pytest.mark.parametrize("listing", [os.scandir, os.walk])
def test_what_lists_a_folder_is_refused_since_its_files_come_and_go(
    listing: Callable[[Path], Any], tmp_path: Path, job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        with closing(listing(tmp_path)) as found:
            step.each(found)

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': a folder has no stable order to resume in, and its files come and go: "
        "list it once, in a step that returns the sorted names"
    )


async def answered() -> list[int]:
    return [1]


@pytest.mark.parametrize(
    ("mistaken", "found"),
    [
        ("rows.csv", "found 'rows.csv', which is no source: for a file use lines(...)"),
        (Path("rows.csv"), "found PosixPath('rows.csv'), which is no source: for a file use"),
        (generated, "found the function generated, which cannot be iterated: is it to be called?"),
        (Rows, "found the class Rows, which cannot be iterated"),
        (answered(), "found the coroutine answered, which has to be awaited first"),
        (5, "found 5, which cannot be iterated"),
    ],
)
def test_what_is_handed_over_by_mistake_is_an_error_that_says_what_was_meant(
    mistaken: Any, found: str, job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(mistaken)

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert str(error).startswith(found)


def test_a_mock_that_can_be_iterated_is_no_path(job: Job) -> None:
    rows = MagicMock()
    rows.__iter__.return_value = iter([1, 2])

    @step
    def visit(step: Step) -> Any:
        return list(step.each(rows))

    assert job.execute(visit).result == [1, 2]


@pytest.mark.parametrize("source", [None, 5, generated])
def test_what_cannot_be_iterated_is_refused_and_leaves_no_trace(source: Any, job: Job) -> None:
    def visit_with(source: Any) -> Any:
        @step
        def visit(step: Step) -> Any:
            return list(step.each(source))

        return visit

    assert isinstance(job.execute(visit_with(source)).error, TypeError)
    assert job.execute(visit_with([1, 2])).result == [1, 2]


@pytest.mark.parametrize("start", [-1, True, "b", 1.0, [1]])
@LISTS
def test_each_begins_at_an_index(kind: Callable[..., Any], start: object, job: Job) -> None:
    @step(start=start)
    def visit(step: Step) -> None:
        step.each(sized(kind, 3))

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert "is gone on with at an index, found " + repr(start) in str(error)


@LISTS
def test_a_cursor_past_the_end_is_refused(kind: Callable[..., Any], job: Job) -> None:
    @step(start=4)
    def visit(step: Step) -> None:
        step.each(sized(kind, 3))

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert "the cursor is 4, but the" in str(error)
    assert "3 items" in str(error)


# Resumed over another source


def interrupted_after_two(job: Job, source: Iterable[Any]) -> None:
    """Leave the step `visit` with cursor 2."""

    @step
    def visit(step: Step) -> None:
        for _ in step.each(source):
            if step.cursor == 1:
                job.call()

    assert job.execute(visit).departure is not None
    assert job.cursor == 2


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            [1, 2, 3],
            [1, 2, 3, 4],
            "found a sequence of 4 items, but its cursor 2 was kept for a sequence of 3 items",
        ),
        (
            range(9),
            range(1),
            "found a sequence of 1 items, but its cursor 2 was kept for a sequence of 9 items",
        ),
        (
            [1, 2, 3],
            Pages(),
            "found an iterable, but its cursor 2 was kept for a sequence of 3 items",
        ),
        (
            Pages(),
            (1, 2, 3),
            "found a sequence of 3 items, but its cursor 2 was kept for an iterable",
        ),
        (
            {1: 1, 2: 2, 3: 3},
            {1: 1, 2: 2},
            "found an iterable of 2 items, but its cursor 2 was kept for an iterable of 3 items",
        ),
    ],
)
def test_on_resume_another_kind_or_length_is_an_error_and_never_a_silent_skip(
    before: Iterable[int], after: Iterable[int], message: str, job: Job
) -> None:
    interrupted_after_two(job, before)
    record = job.record

    @step
    def visit(step: Step) -> None:
        for _ in step.each(after):
            raise AssertionError("no item may be given")

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == f"step 'visit': {message}"
    assert job.record == record


def test_on_resume_another_contract_is_an_error_that_names_both(job: Job) -> None:
    def visit_in(order: str) -> Any:
        @step
        def visit(step: Step) -> Any:
            for item in step.each(Numbers([1, 2, 3], order)):
                if item == 2:
                    job.call()
            return step.cursor

        return visit

    assert job.execute(visit_in("up")).departure is not None
    record = job.record
    error = job.execute(visit_in("down")).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        'step \'visit\': Numbers: found {"order": ["down"]}, expected {"order": ["up"]}, '
        "which its cursor was kept with"
    )
    assert job.record == record
    assert job.execute(visit_in("up")).result == {"record": 4}


def test_a_contract_that_is_no_json_is_refused_before_the_first_item(job: Job) -> None:
    class Dated(Numbers):
        @property
        def contract(self) -> JSON:
            return object()  # type: ignore[return-value]  # it is what is refused

    @step
    def visit(step: Step) -> None:
        for _ in step.each(Dated([1])):
            raise AssertionError("no item may be given")

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert "is not JSON serializable" in str(error)


def test_the_kind_of_a_source_is_a_text(job: Job) -> None:
    class Methodical(Source[int]):
        def kind(self) -> str:
            return "a method"

        def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
            yield 1, 1

    @step
    def visit(step: Step) -> None:
        step.each(Methodical())

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert str(error).startswith("Methodical: kind has to be a text, found <bound method")


class Opened(Source[int]):
    """Its `open` gives what it was given."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def open(self, cursor: Any) -> Any:
        return self.given


WRAPPED = pytest.mark.parametrize(
    "wrap", [chain, lambda source: source, lambda source: batches(source, 1)]
)


@WRAPPED
def test_a_source_whose_open_gives_a_list_is_looped_over_once(wrap: Any, job: Job) -> None:
    @step
    def visit(step: Step) -> Any:
        return list(step.each(wrap(Opened([(7, 1), (8, 2)]))))

    assert job.execute(visit).result in ([7, 8], [[7], [8]])


async def asynchronous() -> AsyncIterator[tuple[int, int]]:
    yield 7, 1


@WRAPPED
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "Opened: open has to give an iterator, found None"),
        (
            asynchronous(),
            "iterator, found async_generator, which is for an AsyncSource",
        ),
    ],
)
def test_a_source_whose_open_gives_nothing_to_iterate_is_an_error_that_names_it(
    given: Any, message: str, wrap: Any, job: Job
) -> None:
    @step
    def visit(step: Step) -> Any:
        return list(step.each(wrap(Opened(given))))

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert message in str(error)


class Moving(Source[int]):
    """Changes its cursor in place, which moves it before the item is done."""

    def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
        place = dict(cursor or {"done": 0})
        for item in range(place["done"], 5):
            place["done"] += 1
            yield item, place


@WRAPPED
def test_a_cursor_that_is_changed_in_place_is_refused_before_an_item_is_skipped(
    wrap: Any, job: Job
) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(wrap(Moving())):
            visited.append(item)

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "found the same dict behind two items, {'done': 2}: a source gives a new cursor each time"
    )
    assert visited in ([0], [[0]])


def test_a_source_that_needs_no_cursor_may_give_none(job: Job) -> None:
    waiting = deque([1, 2, 3])

    class Inbox(Source[int]):
        def open(self, cursor: Any) -> Iterator[tuple[int, None]]:
            while waiting:
                yield waiting.popleft(), None

    visited = []

    @step
    def visit(step: Step) -> None:
        for item in step.each(Inbox()):
            visited.append(item)

    job.execute_until_done(visit)
    assert visited == [1, 2, 3]


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_cursor_that_cannot_be_saved_is_an_error_that_names_the_step(
    checkpoint: bool, job: Job
) -> None:
    class Connections(Source[int]):
        def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
            yield 1, "one"
            yield 2, threading.Lock()
            yield 3, "three"

    @step
    def visit(step: Step) -> None:
        for item in step.each(Connections()):
            if checkpoint or item == 1:
                step.save()
            if item == 3:
                raise ValueError

    error = job.execute(visit).error
    assert isinstance(error, UnserializableError)
    assert str(error).startswith("cursor of step 'visit': value is of type _thread.lock")
    assert job.cursor == ("one" if checkpoint else None)  # the last that was asked for
    assert job.names == []


def test_on_resume_each_in_the_place_of_set_is_an_error(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        job.call()
        step.set(1)

    job.execute(visit)

    @step(name="visit")
    def changed(step: Step) -> None:
        step.each([1, 2])

    error = job.execute(changed).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': found a sequence of 2 items, but its cursor 1 was kept for set and advance"
    )


def test_on_resume_set_in_the_place_of_each_is_an_error(job: Job) -> None:
    interrupted_after_two(job, [1, 2, 3])

    @step
    def visit(step: Step) -> None:
        step.set(3)

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': found set and advance, but its cursor 2 was kept for a sequence of 3 items"
    )


def test_on_resume_an_iterable_that_ends_too_early_is_an_error(job: Job) -> None:
    interrupted_after_two(job, iter([1, 2, 3]))

    @step
    def visit(step: Step) -> None:
        step.each(iter([1]))

    error = job.execute(visit).error
    assert isinstance(error, InvalidStepError)
    assert "the cursor is 2, but the iterable ended after 1 items" in str(error)


def test_on_resume_a_tuple_may_stand_for_a_list_of_the_same_length(job: Job) -> None:
    interrupted_after_two(job, [1, 2, 3])

    @step
    def visit(step: Step) -> Any:
        return list(step.each((1, 2, 3)))

    assert job.execute(visit).result == [3]


@pytest.mark.parametrize(
    ("source", "mark"),
    [
        ([1, 2, 3], SourceMark("sequence", 3)),
        (b"abc", SourceMark("sequence", 3)),
        ({1: 1, 2: 2, 3: 3}, SourceMark("iterable", 3)),
        ({1: 1, 2: 2, 3: 3}.items(), SourceMark("iterable", 3)),
        (Pages(), SourceMark("iterable", None)),
        (Bar(TypeError), SourceMark("iterable", None)),
        (Bar(NotImplementedError), SourceMark("iterable", None)),
        (range(2**70), SourceMark("iterable", None)),
        (deque([1, 2, 3]), SourceMark("iterable", 3)),
    ],
)
def test_the_record_keeps_the_kind_of_source_and_its_length(
    source: Iterable[Any], mark: SourceMark, job: Job
) -> None:
    interrupted_after_two(job, source)
    current = job.record.current
    assert current is not None
    assert current.source == mark


# The moment of a call


EVERY_LOOP = [list, tuple, span, iter, Column, json_lines, Walked, Unended, Numbers]
LOOPS = [f"rq_steps.loops.{room}" for room in ("pair", "cut", "sequence", "pages", "iterator")]
SOURCE_ROOMS = [f"rq_steps.sources.{room}" for room in ("sequence", "line_page", "line_splitter")]
ROOMS = (*LOOPS, *SOURCE_ROOMS, "rq_steps.attention")
UNINTERRUPTED = ("_one_by_one", "decode")
"""No handler runs in these behind their first instruction: there is no call, and no jump."""


class Left(Exception):
    """At the checkpoint of a loop that stands by itself."""


def walk(
    kind: Callable[..., Any], nth: int, *, leaving: bool
) -> tuple[bool, list[tuple[int, int]], int]:
    """Loop over five items with a call in the middle, and one at the nth instruction.

    Answers whether that one was made, the items with the cursor that they saw, and the last cursor.
    """
    attention, visited = Unattended(), list[tuple[int, int]]()

    def checkpoint() -> None:
        attention.answered()
        if leaving:
            raise Left

    source = source_of(sized(kind, 5))
    begin = 0 if isinstance(source, IndexedSource) else None
    loop = loop_over(source, begin, attention, checkpoint)
    with Instructions(nth, attention.call, ROOMS, spared=("decode",)) as instructions:
        try:
            for item in iter(loop):
                visited.append((item, index(loop.cursor)))
                if item == 2:
                    attention.call()
        except Left:
            pass
    cursor = loop.cursor
    loop.close()
    return instructions.called, visited, index(cursor)


@pytest.mark.parametrize("leaving", [False, True])
@pytest.mark.parametrize("kind", EVERY_LOOP)
def test_a_call_at_any_instruction_skips_nothing_and_repeats_nothing(
    kind: Callable[..., Any], leaving: bool
) -> None:
    walk(kind, 1, leaving=leaving)  # Python 3.12 traces instructions only from the second time on
    for nth in count(1):
        called, visited, cursor = walk(kind, nth, leaving=leaving)
        assert visited, "an execution moves by at least one item"
        assert visited == [(item, item) for item in range(len(visited))], f"instruction {nth}"
        assert cursor == len(visited), f"instruction {nth}"
        assert leaving or len(visited) == 5, f"instruction {nth}"
        if not called:
            break
    assert nth > 50
    assert len(visited) == (3 if leaving else 5)


class Raised(Exception):
    """As a signal handler raises RQ's job timeout."""


def raised_into(kind: Callable[..., Any], nth: int, *, wanted: bool) -> tuple[bool, int, int]:
    """Loop over five items, and raise at the nth instruction.

    Answers whether that was done, how many items were given, and the last cursor.
    """
    attention, given = Unattended(), 0

    def strike() -> None:
        raise Raised

    source = source_of(sized(kind, 5))
    begin = 0 if isinstance(source, IndexedSource) else None
    loop = loop_over(source, begin, attention, lambda: None)
    if wanted:
        attention.always()
    with Instructions(nth, strike, ROOMS, spared=UNINTERRUPTED) as instructions:
        try:
            for _ in iter(loop):
                given += 1
        except Raised:
            pass
    cursor = loop.cursor
    loop.close()
    return instructions.called, given, index(cursor)


# Python 3.12 also traces a generator that is closed when it is let go: there is no one to raise to.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("kind", EVERY_LOOP)
def test_an_error_raised_at_any_instruction_skips_nothing(
    kind: Callable[..., Any], wanted: bool
) -> None:
    raised_into(kind, 1, wanted=wanted)
    for nth in count(1):
        raised, given, cursor = raised_into(kind, nth, wanted=wanted)
        assert given - 1 <= cursor <= given, f"instruction {nth}"
        if not raised:
            break
    assert nth > 5
    gc.collect()  # a file that was just opened when the error came


def struck_in_a_call(kind: Callable[..., Any], nth: int) -> tuple[bool, list[int]]:
    """Loop over five items, call in the middle, and raise at the nth instruction of that.

    Answers whether that was done, and what was given by a loop that went on.
    """
    attention, given = Unattended(), list[int]()

    def strike() -> None:
        raise Raised

    source = source_of(sized(kind, 5))
    begin = 0 if isinstance(source, IndexedSource) else None
    loop = loop_over(source, begin, attention, attention.answered)
    instructions = Instructions(nth, strike, ROOMS, spared=UNINTERRUPTED)
    for item in iter(loop):
        given.append(item)
        if given == [0, 1, 2]:
            with instructions, suppress(Raised):
                attention.call()
    loop.close()
    return instructions.called, given


@pytest.mark.parametrize("kind", EVERY_LOOP)
def test_an_error_raised_at_any_instruction_of_a_call_skips_nothing(
    kind: Callable[..., Any],
) -> None:
    struck_in_a_call(kind, 1)
    for nth in count(1):
        raised, given = struck_in_a_call(kind, nth)
        assert sorted({*given}) == [0, 1, 2, 3, 4], f"instruction {nth}"
        if not raised:
            break
    assert nth > 5
    assert given == [0, 1, 2, 3, 4]


def test_a_loop_is_cut_only_where_attention_can_be_had_from_a_signal_handler() -> None:
    attention = Attention()
    kinds = [
        type(loop_over(source, 0, each, attention.call)).__name__
        for each in (attention, Unattended())
        for source in (
            source_of([1]),
            source_of(item for item in [1]),
            source_of(iter([1])),
            source_of(sized(Column, 1)),
        )
    ]
    assert kinds == ["PairLoop"] * 4 + ["SequenceLoop", "IteratorLoop", "IteratorLoop", "PairLoop"]


def test_a_loop_over_pages_is_cut_in_the_same_case() -> None:
    kinds = [
        type(loop_over(json_lines([1]), None, each, each.call)).__name__
        for each in (Attention(), Unattended())
    ]
    assert kinds == ["PagesWalk", "PagesLoop"]

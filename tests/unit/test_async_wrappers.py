"""Chains and loops in loops for `async for`: they promise what their sync twins do."""

from __future__ import annotations

import asyncio
import io
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from rq_steps import InvalidStepError, Step, step
from rq_steps.sources import (
    AsyncSource,
    Source,
    async_source_of,
    batches,
    chain,
    csv_rows,
    jsonl,
    lines,
    nested,
    numbered,
)
from tests.unit.async_law import Client, Pages, collected, execute, generated
from tests.unit.memory import Job


class Keyed(AsyncSource[str]):
    """Rows by their key, as a table gives them: others may come and go meanwhile."""

    kind = "keyed"

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = sorted(keys)

    async def open(self, cursor: Any) -> AsyncIterator[tuple[str, Any]]:
        begin = 0 if cursor is None else bisect_right(self.keys, cursor)
        for key in self.keys[begin:]:
            yield key, key


class Held(Pages):
    """It notes in `log` when it is opened and closed."""

    def __init__(self, name: str, log: list[str], length: int = 2) -> None:
        super().__init__(length)
        self.name = name
        self.log = log

    async def open(self, cursor: Any) -> AsyncIterator[tuple[int, Any]]:
        self.log.append(f"{self.name} opened")
        try:
            async for pair in super().open(cursor):
                yield pair
        finally:
            await asyncio.sleep(0)
            self.log.append(f"{self.name} closed")


class HeldSync(Source[int]):
    """Its sync twin, of two items."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
        self.log.append(f"{self.name} opened")
        try:
            yield from [(0, 1), (1, 2)][cursor or 0 :]
        finally:
            self.log.append(f"{self.name} closed")


def numbers_file(length: int) -> io.BytesIO:
    return io.BytesIO(b"".join(b"%d\n" % number for number in range(length)))


async def letters(number: int) -> AsyncGenerator[str]:
    for letter in "abc"[:number]:
        await asyncio.sleep(0)
        yield letter


async def fetched(number: int) -> list[str]:
    await asyncio.sleep(0)
    return list("abc")[:number]


async def fetched_pages_of_row(row: list[str]) -> Pages:
    return Pages(int(row[0]))


@pytest.fixture
def job() -> Job:
    return Job()


def run(job: Job, source: Callable[[], Any], *, until: object = None) -> list[Any]:
    """The items that one execution handles; `until` is the last one where the job is stopped."""
    visited = list[Any]()

    async def body(step: Step) -> None:
        async for item in step.each(source()):
            visited.append(item)
            if item == until:
                job.call()

    execution = execute(job, body)
    if execution.error is not None:
        raise execution.error
    assert (execution.departure is None) == (until is None)
    return visited


def items_of(source: Any) -> list[Any]:
    return asyncio.run(collected(source))


# In a step


WRAPPED: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "chain": (lambda: chain(generated(2), Pages(2)), [0, 1, 0, 1]),
    "chain with sync ones among them": (
        lambda: chain([1, 2], csv_rows(numbers_file(2)), Client(2), (each for each in "ab")),
        [1, 2, ["0"], ["1"], 0, 1, "a", "b"],
    ),
    "chain of a chain": (lambda: chain([7], chain(generated(1), [8])), [7, 0, 8]),
    "batches of a chain": (lambda: batches(chain(generated(2), [7]), 2), [[0, 1], [7]]),
    "nested, outer async": (
        lambda: nested(generated(3), lambda number: list("abc")[:number]),
        [(1, "a"), (2, "a"), (2, "b")],
    ),
    "nested, both async": (
        lambda: nested(generated(3), letters),
        [(1, "a"), (2, "a"), (2, "b")],
    ),
    "nested, inner async": (
        lambda: nested([2, 0, 1], letters),
        [(2, "a"), (2, "b"), (1, "a")],
    ),
    "nested, inner awaited": (
        lambda: nested([2, 0, 1], fetched),
        [(2, "a"), (2, "b"), (1, "a")],
    ),
    "nested, inner awaited and async": (
        lambda: nested(csv_rows(numbers_file(3)), fetched_pages_of_row),
        [(["1"], 0), (["2"], 0), (["2"], 1)],
    ),
    "nested, inner a class": (lambda: nested([2, 1], Pages), [(2, 0), (2, 1), (1, 0)]),
    "nested, inner a partial": (
        lambda: nested([1], partial(letters)),
        [(1, "a")],
    ),
    "nested, outer said to be async": (
        lambda: nested(async_source_of([2, 1]), lambda number: letters(number)),
        [(2, "a"), (2, "b"), (1, "a")],
    ),
    "nested in nested": (
        lambda: nested(nested(Keyed("ab"), lambda _: [0, 1]), lambda pair: letters(pair[1])),
        [(("a", 1), "a"), (("b", 1), "a")],
    ),
    "numbered nested": (lambda: numbered(nested([1, 1], letters)), [(0, (1, "a")), (1, (1, "a"))]),
    "sync said to be async": (lambda: async_source_of(lines(numbers_file(2))), ["0", "1"]),
}


@pytest.fixture(params=sorted(WRAPPED))
def wrapped(request: pytest.FixtureRequest) -> tuple[Callable[[], Any], list[Any]]:
    return WRAPPED[request.param]


def test_each_gives_the_items_of_all_sources(
    wrapped: tuple[Callable[[], Any], list[Any]], job: Job
) -> None:
    make, items = wrapped
    assert run(job, make) == items
    assert items_of(make()) == items


def test_a_chain_of_perhaps_nothing_may_be_said_to_be_async(job: Job) -> None:
    feeds = list[Any]()
    assert run(job, lambda: async_source_of(chain(*feeds))) == []


def test_each_gives_all_items_once_when_it_is_interrupted_after_every_one(
    wrapped: tuple[Callable[[], Any], list[Any]], job: Job
) -> None:
    make, items = wrapped
    visited = list[Any]()

    async def body(step: Step) -> None:
        async for item in step.each(make()):
            visited.append(item)
            job.call()

    for done in range(1, len(items) + 1):
        execution = execute(job, body)
        assert execution.error is None
        assert visited == items[:done]
        assert (execution.departure is None) == (done == len(items))


def test_an_item_that_failed_comes_again(
    wrapped: tuple[Callable[[], Any], list[Any]], job: Job
) -> None:
    make, items = wrapped
    visited = list[Any]()

    async def body(step: Step) -> None:
        async for item in step.each(make()):
            visited.append(item)
            if len(visited) == len(items):
                raise ValueError

    assert isinstance(execute(job, body).error, ValueError)
    assert execute(job, body).error is None
    assert visited == [*items, items[-1]]


def test_a_source_is_read_no_further_than_the_item_asked_for(job: Job) -> None:
    read = list[Any]()

    async def reading(name: str) -> AsyncIterator[str]:
        for item in f"{name}1", f"{name}2":
            read.append(item)
            yield item

    def more() -> Iterator[str]:
        read.append("more")
        yield "more"

    async def body(step: Step) -> Any:
        source = numbered(nested(chain(reading("a"), more()), reading))
        return [list(read) async for _ in step.each(source)]

    assert execute(job, body).result == [
        ["a1", "a11"],
        ["a1", "a11", "a12"],
        ["a1", "a11", "a12", "a2", "a21"],
        ["a1", "a11", "a12", "a2", "a21", "a22"],
        ["a1", "a11", "a12", "a2", "a21", "a22", "more", "more1"],
        ["a1", "a11", "a12", "a2", "a21", "a22", "more", "more1", "more2"],
    ]


# What they hold open


def held_by_a_chain(log: list[str]) -> Any:
    return chain(HeldSync("a", log), Held("b", log), Held("c", log), HeldSync("d", log))


def held_by_loops(log: list[str]) -> Any:
    def inner(number: int) -> Any:
        return Held(f"{number}", log) if number else HeldSync(f"{number}", log)

    return nested(Held("outer", log), inner)


def held_by_generators(log: list[str]) -> Any:
    async def inner(number: int) -> AsyncGenerator[int]:
        log.append(f"{number} opened")
        try:
            yield 0
            yield 1
        finally:
            await asyncio.sleep(0)
            log.append(f"{number} closed")

    return nested(Held("outer", log), inner)


def test_a_chain_has_none_open_but_the_source_in_hand(job: Job) -> None:
    log = list[str]()
    run(job, lambda: held_by_a_chain(log))
    assert log == [f"{name} {what}" for name in "abcd" for what in ("opened", "closed")]


def test_a_source_behind_in_the_chain_is_not_opened_again(job: Job) -> None:
    log = list[str]()

    async def body(step: Step) -> None:
        async for _ in step.each(chain(Held("a", log, 1), Held("b", log, 2))):
            job.call()

    execute(job, body)
    execute(job, body)
    del log[:]
    execute(job, body)
    assert log == ["b opened", "b closed"]


@pytest.mark.parametrize("make", [held_by_loops, held_by_generators])
def test_loops_have_none_open_but_the_sources_in_hand(
    make: Callable[[list[str]], Any], job: Job
) -> None:
    log = list[str]()
    run(job, lambda: make(log))
    inner = ["0 opened", "0 closed", "1 opened", "1 closed"]
    assert log == ["outer opened", *inner, "outer closed"]


class Answer:
    """What a client gives: no generator, it is open until it is closed."""

    def __init__(self, log: list[str], cursor: Any) -> None:
        self.log = log
        self.left = [(0, 1), (1, 2)][cursor or 0 :]
        log.append("opened")

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> tuple[int, int]:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)

    async def aclose(self) -> None:
        self.log.append("closed")


class Answering(AsyncSource[int]):
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def open(self, cursor: Any) -> AsyncIterator[tuple[int, Any]]:
        return Answer(self.log, cursor)


@pytest.mark.parametrize(
    "make",
    [
        lambda log: chain(Answering(log), Answering(log)),
        lambda log: nested(async_source_of(["a", "b"]), lambda _: Answering(log)),
    ],
)
def test_what_does_not_close_itself_is_closed_before_the_next_is_opened(
    make: Callable[[list[str]], Any], job: Job
) -> None:
    log = list[str]()
    run(job, lambda: make(log))
    assert log[:4] == ["opened", "closed", "opened", "closed"]


async def leave_by_break(items: AsyncIterator[Any], job: Job) -> None:
    async for _ in items:
        break


async def leave_by_return(items: AsyncIterator[Any], job: Job) -> None:
    async for _ in items:
        return


async def leave_by_exception(items: AsyncIterator[Any], job: Job) -> None:
    async for _ in items:
        raise ValueError


async def leave_by_interrupt(items: AsyncIterator[Any], job: Job) -> None:
    async for _ in items:
        job.call()


async def leave_by_cancellation(items: AsyncIterator[Any], job: Job) -> None:
    async def visiting() -> None:
        async for _ in items:
            await asyncio.Event().wait()

    await asyncio.wait_for(visiting(), 0.001)


@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_by_return,
        leave_by_exception,
        leave_by_interrupt,
        leave_by_cancellation,
    ],
)
@pytest.mark.parametrize("make", [held_by_a_chain, held_by_loops, held_by_generators])
def test_whoever_leaves_finds_all_closed_before_the_step_ends(
    make: Callable[[list[str]], Any], leave: Callable[..., Any], job: Job
) -> None:
    log = list[str]()
    left = list[list[str]]()

    @step
    async def visit(step: Step) -> None:
        await leave(step.each(make(log)), job)

    async def continuable() -> None:
        try:
            await visit()
        finally:
            left.append(list(log))

    job.execute(lambda: asyncio.run(continuable()))
    opened = {entry.split()[0] for entry in left[0] if entry.endswith("opened")}
    closed = {entry.split()[0] for entry in left[0] if entry.endswith("closed")}
    assert opened
    assert opened == closed


def test_the_outer_source_is_closed_even_if_the_inner_one_fails_to_close(job: Job) -> None:
    log = list[str]()

    async def failing(number: int) -> AsyncGenerator[int]:
        try:
            yield number
        finally:
            raise OSError("gone")

    async def body(step: Step) -> None:
        async for _ in step.each(nested(Held("outer", log), failing)):
            break

    assert isinstance(execute(job, body).error, OSError)
    assert log == ["outer opened", "outer closed"]


def test_a_generator_that_the_user_chained_is_left_to_him(job: Job) -> None:
    async def body(step: Step) -> Any:
        rows = generated(4)
        async for _ in step.each(chain(rows, [9])):
            break
        await step._aclose()
        return [item async for item in rows]

    assert execute(job, body).result == [1, 2, 3]


def test_a_generator_that_an_iterable_makes_of_itself_is_closed(job: Job) -> None:
    log = list[str]()

    class Feed:
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                yield 0
                yield 1
            finally:
                log.append("closed")

    async def body(step: Step) -> Any:
        async for _ in step.each(chain(Feed(), [9])):
            break
        await step._aclose()
        return list(log)

    assert execute(job, body).result == ["closed"]


# Who gives up waiting


class Slow:
    """An async iterator that waits before an item, the first time that it is asked for it."""

    def __init__(self, items: list[Any]) -> None:
        self.left = items
        self.patient = set[Any]()

    def __aiter__(self) -> Slow:
        return self

    async def __anext__(self) -> Any:
        await wait_once(len(self.left), self.patient)
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


async def wait_once(key: Any, patient: set[Any]) -> None:
    if key not in patient:
        patient.add(key)
        await asyncio.Event().wait()


def slow_inner() -> Callable[[int], Any]:
    patient = set[Any]()

    async def inner(number: int) -> Slow:
        await wait_once(number, patient)
        return Slow([number, -number])

    return inner


def test_a_sync_source_that_raised_is_not_taken_for_ended(job: Job) -> None:
    async def body(step: Step) -> None:
        items = step.each(async_source_of(jsonl(io.BytesIO(b"1\n{\n3\n"))))
        assert await anext(items) == 1
        with pytest.raises(ValueError, match="line 2"):
            await anext(items)
        with pytest.raises(InvalidStepError, match="the rest would be lost"):
            await anext(items)

    assert execute(job, body).error is None


async def waiting() -> AsyncIterator[int]:
    yield 0
    await asyncio.Event().wait()
    yield 1


class Waiting(Pages):
    async def open(self, cursor: Any) -> AsyncIterator[tuple[int, Any]]:
        async for item in waiting():
            yield item, {"next": item + 1}


@pytest.mark.parametrize("make", [waiting, lambda: Waiting(2)])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda source: source,
        numbered,
        lambda source: batches(source, 1),
        lambda source: chain(source, Client(2)),
        lambda source: nested(source, Client),
        lambda source: nested(source, lambda _: generated(1)),
    ],
)
def test_a_generator_that_was_given_up_waiting_for_is_not_taken_for_ended(
    make: Callable[[], Any], wrap: Any, job: Job
) -> None:
    async def body(step: Step) -> None:
        items = step.each(wrap(make()))
        with suppress(TimeoutError, asyncio.TimeoutError):
            while True:
                await asyncio.wait_for(anext(items), 0.001)
        with pytest.raises(InvalidStepError, match="was given up waiting for"):
            await anext(items)

    assert execute(job, body).error is None


@pytest.mark.parametrize(
    ("make", "expected", "times"),
    [
        (lambda: chain(Slow([1, 2]), [3], Slow([4])), [1, 2, 3, 4], 5),
        (lambda: nested(Slow([1, 2]), slow_inner()), [(1, 1), (1, -1), (2, 2), (2, -2)], 11),
    ],
)
def test_who_gives_up_waiting_may_ask_again(
    make: Callable[[], Any], expected: list[Any], times: int, job: Job
) -> None:
    async def body(step: Step) -> Any:
        items, found, given_up = step.each(make()), list[Any](), 0
        while True:
            try:
                found.append(await asyncio.wait_for(anext(items), 0.001))
            except (TimeoutError, asyncio.TimeoutError):
                given_up += 1
            except StopAsyncIteration:
                return found, given_up

    assert execute(job, body).result == (expected, times)


# Contracts


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (lambda: [generated(2)], "chain: found 1 sources, expected 2"),
        (
            lambda: [generated(2), generated(1)],
            "chain, source 1: found an async iterable, expected a sequence of 1 items",
        ),
        (
            lambda: [[0, 1], [3]],
            "chain, source 0: found a sequence of 2 items, expected an async iterable",
        ),
        (
            lambda: [generated(2), [3, 4]],
            "chain, source 1: found a sequence of 2 items, expected a sequence of 1 items",
        ),
    ],
)
def test_a_chain_of_other_sources_is_an_error(
    after: Callable[[], list[Any]], message: str, job: Job
) -> None:
    run(job, lambda: chain(generated(2), [3]), until=0)

    async def body(step: Step) -> None:
        step.each(chain(*after()))

    error = execute(job, body).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == f"step 'visit': {message}"


def test_a_chained_file_that_has_changed_is_an_error(job: Job) -> None:
    run(job, lambda: chain(lines(numbers_file(5)), generated(1)), until="1")
    with pytest.raises(InvalidStepError, match=r"chain, source 0: .* has shrunk"):
        run(job, lambda: chain(lines(numbers_file(3)), generated(1)))


def test_the_inner_source_is_gone_on_with_where_it_was(job: Job) -> None:
    made = list[str]()

    async def inner(book: str) -> list[int]:
        made.append(book)
        return [1, 2, 3]

    run(job, lambda: nested(list("ab"), inner), until=("b", 2))
    assert run(job, lambda: nested(list("ab"), inner)) == [("b", 3)]
    assert made == ["a", "b", "b"]


def test_an_item_inserted_before_the_one_in_hand_does_no_harm(job: Job) -> None:
    run(job, lambda: nested(Keyed("bd"), lambda _: [1, 2, 3]), until=("d", 2))
    rest = run(job, lambda: nested(Keyed("bcd"), lambda _: [1, 2, 3]))
    assert rest == [("c", 1), ("c", 2), ("c", 3), ("d", 3)]


IN_BATCHES: dict[str, Callable[[int], Any]] = {
    "batches": lambda size: batches(generated(6), size),
    "numbered": lambda size: numbered(batches(generated(6), size)),
    "chain": lambda size: chain(batches(generated(6), size), []),
    "nested": lambda size: nested(generated(1), lambda _: batches(range(6), size)),
    "twin": lambda size: async_source_of(batches(range(6), size)),
}


@pytest.mark.parametrize("outer", IN_BATCHES.values(), ids=IN_BATCHES)
def test_a_batch_in_hand_that_has_another_size_now_is_begun_at_its_beginning(
    outer: Callable[[int], Any], job: Job
) -> None:
    def numbers(item: Any) -> Iterator[int]:
        yield from item[1] if isinstance(item, tuple) else item

    first = items_of(outer(4))[0]
    visited = run(job, lambda: nested(outer(4), numbers), until=(first, 1))
    assert [number for _, number in visited] == [0, 1]
    visited = run(job, lambda: nested(outer(2), numbers))
    assert [number for _, number in visited] == [0, 1, 2, 3, 4, 5]


def test_what_comes_in_the_place_of_an_item_that_is_gone_is_begun_at_its_beginning(
    job: Job,
) -> None:
    run(job, lambda: nested(Keyed("abc"), lambda _: [1, 2, 3]), until=("b", 2))
    assert run(job, lambda: nested(Keyed("ac"), lambda _: [1, 2])) == [("c", 1), ("c", 2)]


def test_an_inner_source_of_another_kind_or_length_is_an_error(job: Job) -> None:
    run(job, lambda: nested(list("ab"), letters_of([1, 2, 3])), until=("b", 2))
    with pytest.raises(InvalidStepError) as raised:
        run(job, lambda: nested(list("ab"), letters_of([1, 2])))
    assert str(raised.value) == (
        "nested source, inner source of 'b': "
        "found a sequence of 2 items, expected a sequence of 3 items"
    )


def letters_of(given: list[int]) -> Callable[[str], Any]:
    async def inner(book: str) -> list[int]:
        return given

    return inner


def test_another_outer_source_is_an_error(job: Job) -> None:
    run(job, lambda: nested(generated(3), letters), until=(1, "a"))
    with pytest.raises(InvalidStepError) as raised:
        run(job, lambda: nested([0, 1, 2], letters))
    assert str(raised.value) == (
        "step 'visit': nested source, outer source: "
        "found a sequence of 3 items, expected an async iterable"
    )


@pytest.mark.parametrize(
    ("source", "start"),
    [
        (lambda: chain(generated(1)), {"number": 0, "cursor": 0}),
        (lambda: chain(generated(1)), {"source": 2, "cursor": None}),
        (lambda: chain(generated(1)), {"source": 0, "cursor": -1}),
        (lambda: chain(generated(1), [1]), {"source": 1, "cursor": "1"}),
        (lambda: nested(generated(1), letters), [0, 1]),
        (lambda: async_source_of([1]), -1),
    ],
)
def test_a_cursor_of_another_form_is_an_error(
    source: Callable[[], Any], start: Any, job: Job
) -> None:
    @step(start=start)
    async def visit(step: Step) -> None:
        async for _ in step.each(source()):
            pass

    error = job.execute(lambda: asyncio.run(visit())).error
    assert isinstance(error, InvalidStepError)


# Over a deploy


def sync_pages_of(book: str) -> list[int]:
    return [1, 2, 3]


async def awaited_pages_of(book: str) -> list[int]:
    return [1, 2, 3]


def test_loops_may_become_async_and_sync_again(job: Job) -> None:
    async def visiting_sync(step: Step) -> Any:
        found = []
        for item in step.each(nested(list("ab"), sync_pages_of)):
            found.append(item)
            if item == ("a", 2):
                job.call()
        return found

    execute(job, visiting_sync)
    found = run(job, lambda: nested(list("ab"), awaited_pages_of), until=("b", 1))
    assert found == [("a", 3), ("b", 1)]
    assert execute(job, visiting_sync).result == [("b", 2), ("b", 3)]


@pytest.mark.parametrize("make", [lambda: [1, 2, 3], lambda: csv_rows(numbers_file(3))])
def test_a_source_may_come_to_be_said_async(make: Callable[[], Any], job: Job) -> None:
    items = list(make())

    async def visiting_sync(step: Step) -> None:
        for _ in step.each(make()):
            job.call()

    execute(job, visiting_sync)
    assert run(job, lambda: async_source_of(make())) == items[1:]


# What they refuse, and what they tell


@pytest.mark.parametrize("inner", [lambda _: generated(1), lambda _: fetched(1), Client])
def test_loops_that_cannot_be_known_to_be_async_say_what_helps(inner: Any, job: Job) -> None:
    def hidden(item: Any) -> Any:
        return inner(item)

    async def body(step: Step) -> None:
        step.each(nested([1], hidden))

    error = execute(job, body).error
    assert isinstance(error, TypeError)
    assert "let inner be an `async def`, or the outer source async_source_of(...)" in str(error)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda given: chain(generated(1), given),
        lambda given: items_of(nested(generated(1), lambda _: given)),
        lambda given: items_of(nested([1], letters_of(given))),
        lambda given: nested(given, letters),
        async_source_of,
    ],
)
def test_a_wrapper_refuses_what_each_refuses(wrap: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidStepError, match="a set has no stable order"):
        wrap({1, 2})


@pytest.mark.parametrize("source", [lambda: chain(generated(1), [1]), lambda: nested([1], letters)])
def test_for_over_what_is_async_is_refused(source: Callable[[], Any], job: Job) -> None:
    async def body(step: Step) -> None:
        for _ in step.each(source()):
            pass

    error = execute(job, body).error
    assert isinstance(error, TypeError)
    assert str(error) == "step.each over an async iterable is looped over with `async for`"


@pytest.mark.parametrize(
    ("source", "total", "unit"),
    [
        (chain(Pages(3), [1]), None, "items"),
        (chain(async_source_of([1]), [2, 3]), 3, "items"),
        (chain(async_source_of(lines(numbers_file(4)))), 8, "bytes"),
        (nested(async_source_of([1]), letters), None, "items"),
        (async_source_of(lines(numbers_file(4))), 8, "bytes"),
    ],
)
def test_a_wrapper_tells_how_much_there_is_where_its_sources_do(
    source: AsyncSource[Any], total: int | None, unit: str
) -> None:
    assert (source.total, source.unit) == (total, unit)


def test_an_inner_that_raises_what_ends_a_loop_does_not_end_it(job: Job) -> None:
    async def first_of_none(number: int) -> list[int]:
        return [await anext(generated(0))]

    with pytest.raises(RuntimeError, match="inner raised StopAsyncIteration"):
        run(job, lambda: nested([1, 2], first_of_none))

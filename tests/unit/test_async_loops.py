"""The loops of `async for ... in step.each(...)`: they do what their sync twins do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rq_steps import InvalidStepError, Step, step
from rq_steps.errors import Interrupt
from rq_steps.record import SourceMark
from rq_steps.sources import AsyncSource, async_source_of, batches, chain, numbered
from tests.unit.async_law import (
    Answers,
    Body,
    Client,
    Pages,
    assert_law,
    collected,
    execute,
    generated,
)
from tests.unit.law import BOUNDED
from tests.unit.memory import Job

KINDS = pytest.mark.parametrize("kind", [generated, Client, Answers, Pages])


@pytest.fixture
def job() -> Job:
    return Job()


def index(cursor: Any) -> Any:
    """How many items are done."""
    if cursor is None:
        return 0
    return cursor["next"] if isinstance(cursor, dict) else cursor


# What a loop gives


@KINDS
def test_each_gives_the_items_of_the_source(kind: Callable[[int], Any], job: Job) -> None:
    async def body(step: Step) -> Any:
        return [(index(step.cursor), item) async for item in step.each(kind(4))], index(step.cursor)

    assert execute(job, body).result == ([(0, 0), (1, 1), (2, 2), (3, 3)], 4)
    assert job.names == ["visit"]


@KINDS
def test_each_gives_all_items_once_when_it_is_interrupted_after_every_one(
    kind: Callable[[int], Any], job: Job
) -> None:
    visited = list[int]()

    async def body(step: Step) -> None:
        async for item in step.each(kind(4)):
            visited.append(item)
            job.call()

    for done in (1, 2, 3, 4):
        execution = execute(job, body)
        assert execution.error is None
        assert visited == list(range(done))
        assert (execution.departure is None) == (done == 4)


@KINDS
def test_each_checkpoints_after_an_item_and_before_the_next(
    kind: Callable[[int], Any], job: Job
) -> None:
    turns: list[Any] = []

    async def body(step: Step) -> None:
        async for item in step.each(kind(3)):
            turns.append(item)

    execute(job, body, lambda execution: turns.append("checkpoint"), every=True)
    assert turns == [0, "checkpoint", 1, "checkpoint", 2]


@KINDS
def test_each_outside_a_continuable_is_the_bare_loop(kind: Callable[[int], Any]) -> None:
    @step(start=None)
    async def visit(step: Step) -> list[int]:
        return [item async for item in step.each(kind(3))]

    assert asyncio.run(visit()) == [0, 1, 2]


def test_each_begins_at_start_and_drops_what_is_before(job: Job) -> None:
    @step(start=2)
    async def visit(step: Step) -> list[int]:
        return [item async for item in step.each(generated(4))]

    assert job.execute(lambda: asyncio.run(visit())).result == [2, 3]


def test_a_source_of_somebodys_own_is_opened_at_its_cursor(job: Job) -> None:
    async def first(step: Step) -> None:
        async for item in step.each(Pages(5)):
            if item == 2:
                job.call()

    execute(job, first)
    pages = Pages(5)

    async def second(step: Step) -> Any:
        return [item async for item in step.each(pages)]

    assert execute(job, second).result == [3, 4]
    assert pages.opened_at == {"next": 3}


# Ways out of a loop


@KINDS
def test_break_leaves_the_item_in_hand_undone(kind: Callable[[int], Any], job: Job) -> None:
    async def body(step: Step) -> None:
        async for item in step.each(kind(9)):
            if item == 3:
                break
        assert index(step.cursor) == 3
        job.call()
        step.checkpoint()

    execute(job, body)
    assert index(job.cursor) == 3


@KINDS
def test_a_step_may_end_by_return(kind: Callable[[int], Any], job: Job) -> None:
    async def body(step: Step) -> Any:
        async for item in step.each(kind(9)):
            if item == 3:
                return item
        return None

    assert execute(job, body).result == 3
    assert job.names == ["visit"]


@KINDS
def test_an_exception_leaves_the_item_in_hand_undone(kind: Callable[[int], Any], job: Job) -> None:
    visited = list[int]()

    async def body(step: Step) -> None:
        async for item in step.each(kind(5)):
            visited.append(item)
            if visited == [0, 1, 2, 3]:
                raise ValueError

    assert isinstance(execute(job, body).error, ValueError)
    assert execute(job, body).error is None
    assert visited == [0, 1, 2, 3, 3, 4]


@KINDS
def test_a_body_that_is_cancelled_leaves_the_item_in_hand_undone(
    kind: Callable[[int], Any], job: Job
) -> None:
    async def body(step: Step) -> None:
        async for item in step.each(kind(5)):
            if item == 3:
                await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    assert isinstance(execute(job, body).error, TimeoutError | asyncio.TimeoutError)
    assert index(job.cursor) == 3


@KINDS
def test_a_users_generator_around_each_may_be_closed(kind: Callable[[int], Any], job: Job) -> None:
    async def body(step: Step) -> Any:
        async def doubled() -> AsyncGenerator[int]:
            async for item in step.each(kind(9)):
                yield 2 * item

        found = []
        async with aclosing(doubled()) as items:
            async for item in items:
                found.append(item)
                if item == 6:
                    break
        return found, index(step.cursor)

    assert execute(job, body).result == ([0, 2, 4, 6], 3)


@KINDS
def test_the_loop_itself_may_be_closed(kind: Callable[[int], Any], job: Job) -> None:
    async def body(step: Step) -> Any:
        loop: Any = step.each(kind(9))
        found = []
        async with aclosing(loop):
            async for item in loop:
                found.append(item)
                if item == 3:
                    break
        return found, [item async for item in loop], index(step.cursor)

    assert execute(job, body).result == ([0, 1, 2, 3], [], 3)


@KINDS
@pytest.mark.parametrize("length", [0, 3])
def test_a_loop_that_was_never_begun_is_warned_of_when_its_step_completes(
    length: int, kind: Callable[[int], Any], job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    async def forgetful(step: Step) -> None:
        step.each(kind(length))

    async def body(step: Step) -> None:
        async for _ in step.each(kind(length)):
            pass

    execute(job, forgetful)
    assert "step 'visit': step.each was never asked for an item" in caplog.text
    caplog.clear()
    execute(Job(), body)
    assert caplog.text == ""


@KINDS
def test_user_code_that_swallows_the_interrupt_gets_no_further_item(
    kind: Callable[[int], Any], job: Job
) -> None:
    visited: list[Any] = []

    async def body(step: Step) -> None:
        items = step.each(kind(9))
        while True:
            try:
                visited.append(await anext(items))
                job.call()
            except StopAsyncIteration:
                break
            except Interrupt:
                visited.append("swallowed")

    execution = execute(job, body)
    assert execution.departure is not None
    assert visited == [0, "swallowed"]
    assert index(job.cursor) == 1
    assert job.names == []


def test_what_a_source_of_somebodys_own_holds_open_is_closed_before_the_step_ends(
    job: Job,
) -> None:
    pages = Pages(9)

    async def body(step: Step) -> None:
        async for item in step.each(pages):
            if item == 2:
                raise ValueError

    execute(job, body)
    assert pages.closed == 1


def test_what_a_source_holds_open_is_closed_before_a_step_outside_any_continuable_ends() -> None:
    pages = Pages(9)

    @step
    async def visit(step: Step) -> int:
        async for _ in step.each(pages):
            break
        return pages.closed

    async def visited() -> tuple[int, int]:
        return await visit(), pages.closed

    assert asyncio.run(visited()) == (0, 1)


def test_what_wrappers_hold_open_is_closed_too(job: Job) -> None:
    pages = Pages(9)

    async def body(step: Step) -> None:
        async for _ in step.each(numbered(batches(pages, 2))):
            break

    execute(job, body)
    assert pages.closed == 1


def test_a_generator_that_the_user_made_is_left_to_him(job: Job) -> None:
    async def body(step: Step) -> Any:
        rows = generated(4)
        async for _ in step.each(rows):
            break
        await step._aclose()
        return [item async for item in rows]

    assert execute(job, body).result == [1, 2, 3]


# While the source looks for an item


def test_an_error_in_the_source_leaves_the_item_before_it_done(job: Job) -> None:
    async def failing() -> AsyncIterator[int]:
        for item in range(3):
            yield item
        raise OSError

    async def body(step: Step) -> None:
        async for _ in step.each(failing()):
            pass

    assert isinstance(execute(job, body).error, OSError)
    assert job.cursor == 3


@KINDS
def test_a_loop_whose_checkpoint_raised_is_not_taken_for_ended(
    kind: Callable[[int], Any], job: Job
) -> None:
    def fail(execution: object) -> None:
        raise ConnectionError

    async def body(step: Step) -> None:
        items = step.each(kind(3))
        assert await anext(items) == 0
        job.call()
        with pytest.raises(ConnectionError):
            await anext(items)
        with pytest.raises(InvalidStepError, match="the rest would be lost"):
            await anext(items)

    assert execute(job, body, fail).error is None


def test_while_a_source_looks_for_the_next_item_the_one_before_it_is_done(job: Job) -> None:
    async def body(step: Step) -> Any:
        cursors = []

        async def looking() -> AsyncIterator[int]:
            for item in range(3):
                cursors.append(step.cursor)
                yield item

        async for item in step.each(looking()):
            if item == 1:
                job.call(None)
        return cursors

    assert execute(job, body).result == [0, 1, 2]


def test_an_interrupt_in_the_source_leaves_the_item_before_it_done(job: Job) -> None:
    visited = list[int]()

    async def body(step: Step) -> None:
        async def pages() -> AsyncIterator[int]:
            for item in range(4):
                step.checkpoint()
                yield item

        async for item in step.each(pages()):
            visited.append(item)
            if item == 1:
                job.call()

    assert execute(job, body).departure is not None
    assert job.cursor == 2
    assert execute(job, body).error is None
    assert visited == [0, 1, 2, 3]


class Slow(Answers):
    """It waits before its third item, the first time that it is asked for it."""

    waits = True

    async def __anext__(self) -> int:
        if self.left[:1] == [2] and self.waits:
            self.waits = False
            await asyncio.Event().wait()
        return await super().__anext__()


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (lambda source: source, [0, 1, 2, 3]),
        (numbered, [(0, 0), (1, 1), (2, 2), (3, 3)]),
        (lambda source: batches(source, 3), [[0, 1, 2], [3]]),
    ],
)
def test_who_gives_up_waiting_may_ask_again(wrap: Any, expected: list[Any], job: Job) -> None:
    async def body(step: Step) -> Any:
        items, found, given_up = step.each(wrap(Slow(4))), list[Any](), 0
        while True:
            try:
                found.append(await asyncio.wait_for(anext(items), 0.001))
            except (TimeoutError, asyncio.TimeoutError):
                given_up += 1
            except StopAsyncIteration:
                return found, given_up

    assert execute(job, body).result == (expected, 1)


def test_two_tasks_that_ask_at_once_are_refused(job: Job) -> None:
    async def body(step: Step) -> None:
        items = step.each(Slow(4))
        await anext(items)
        await anext(items)
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        try:
            await anext(items)
        finally:
            waiting.cancel()

    error = execute(job, body).error
    assert isinstance(error, InvalidStepError)
    assert str(error).startswith("two tasks ask step.each for an item at once")


def test_a_task_that_still_waits_for_an_item_does_not_keep_the_step_from_its_end(job: Job) -> None:
    class Endless(Pages):
        async def open(self, cursor: Any) -> AsyncIterator[tuple[int, Any]]:
            await asyncio.Event().wait()
            yield 0, {"next": 1}

    async def body(step: Step) -> str:
        waiting = asyncio.ensure_future(anext(step.each(Endless(1))))
        await asyncio.sleep(0)
        return f"done: {waiting.done()}"

    assert execute(job, body).result == "done: False"


def test_a_loop_that_outlives_its_step_is_refused(job: Job) -> None:
    left = list[Any]()

    async def body(step: Step) -> None:
        left.append(step.each(Answers(4)))
        await anext(left[0])

    execute(job, body)
    with pytest.raises(InvalidStepError, match="step 'visit' is over"):
        asyncio.run(left[0].__anext__())


# One each a step

_A_SECOND_EACH = (
    "a second each, one step has one cursor: make it two steps; "
    "for a loop in a loop use nested(outer, inner) of rq_steps.sources"
)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            lambda step: step.each(generated(3)),
            _A_SECOND_EACH,
        ),
        (
            lambda step: step.each([1, 2, 3]),
            _A_SECOND_EACH,
        ),
        (lambda step: step.set(5), "set and advance beside each, which moves the cursor itself"),
        (lambda step: step.advance(), "set and advance beside each, which moves the cursor itself"),
    ],
)
def test_a_second_each_and_set_and_advance_beside_it_are_refused(
    second: Callable[[Step], object], message: str, job: Job
) -> None:
    async def body(step: Step) -> None:
        async for _ in step.each(generated(3)):
            second(step)

    error = execute(job, body).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == f"step 'visit': {message}"


def test_each_after_set_is_refused(job: Job) -> None:
    async def body(step: Step) -> None:
        step.set(0)
        step.each(generated(3))

    error = execute(job, body).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == (
        "step 'visit': each beside set and advance, one step has one cursor: make it two steps"
    )


# For and async for


def test_for_over_an_async_source_is_refused_and_leaves_the_cursor(job: Job) -> None:
    async def body(step: Step) -> None:
        for _ in step.each(generated(3)):  # type: ignore[attr-defined]  # it is what is refused
            pass

    error = execute(job, body).error
    assert isinstance(error, TypeError)
    assert str(error) == "step.each over an async iterable is looped over with `async for`"
    assert job.cursor == 0


class Opened(AsyncSource[int]):
    """Its `open` gives what it was given."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def open(self, cursor: Any) -> Any:
        return self.given


async def pairs() -> list[tuple[int, int]]:
    return [(7, 1)]


@pytest.mark.parametrize("wrap", [chain, lambda source: source])
@pytest.mark.parametrize(
    ("given", "found"), [(None, "None"), ([(7, 1)], "list"), (pairs(), "coroutine")]
)
def test_a_source_whose_open_gives_nothing_for_async_for_is_an_error_that_names_it(
    given: Any, found: str, wrap: Any, job: Job
) -> None:
    async def body(step: Step) -> Any:
        return [item async for item in step.each(wrap(Opened(given)))]

    error = execute(job, body).error
    assert isinstance(error, TypeError)
    assert str(error) == f"Opened: open has to give an async iterator, found {found}"


@pytest.mark.parametrize("wrap", [lambda source: source, lambda source: batches(source, 1)])
def test_a_cursor_that_is_changed_in_place_is_refused_before_an_item_is_skipped(
    wrap: Any, job: Job
) -> None:
    class Moving(AsyncSource[int]):
        async def open(self, cursor: Any) -> AsyncIterator[tuple[int, Any]]:
            place = [0]
            for item in range(3):
                place[0] += 1
                yield item, place

    visited = []

    async def body(step: Step) -> None:
        async for item in step.each(wrap(Moving())):
            visited.append(item)

    error = execute(job, body).error
    assert isinstance(error, InvalidStepError)
    assert "found the same list behind two items, [2]" in str(error)
    assert len(visited) == 1


def test_the_class_of_an_async_source_is_refused(job: Job) -> None:
    async def body(step: Step) -> None:
        step.each(Pages)  # type: ignore[call-overload]  # it is what is refused

    assert str(execute(job, body).error) == "found the class Pages, which cannot be iterated"


@pytest.mark.parametrize("source", [[1, 2], iter([1, 2]), numbered([1, 2])])
def test_async_for_over_a_sync_source_is_refused_as_python_does(source: Any, job: Job) -> None:
    async def body(step: Step) -> None:
        async for _ in step.each(source):
            pass

    error = execute(job, body).error
    assert isinstance(error, TypeError)
    assert "'async for' requires an object with __aiter__ method" in str(error)


def test_for_over_a_sync_source_is_what_it_was_in_an_async_step(job: Job) -> None:
    async def body(step: Step) -> Any:
        found = []
        for item in step.each([1, 2, 3]):
            await asyncio.sleep(0)
            found.append(item)
        return found

    assert execute(job, body).result == [1, 2, 3]


# Resumed over another source


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ([0, 1, 2], "found a sequence of 3 items, but its cursor 2 was kept for an async iterable"),
        (Pages(3), "found a pages, but its cursor 2 was kept for an async iterable"),
    ],
)
def test_on_resume_another_kind_is_an_error(after: Any, message: str, job: Job) -> None:
    async def first(step: Step) -> None:
        async for item in step.each(generated(3)):
            if item == 1:
                job.call()

    async def second(step: Step) -> None:
        step.each(after)

    execute(job, first)
    current = job.record.current
    assert current is not None
    assert current.source == SourceMark("async iterable", None)
    error = execute(job, second).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == f"step 'visit': {message}"


def test_on_resume_another_contract_is_an_error(job: Job) -> None:
    async def visiting(step: Step) -> None:
        async for _ in step.each(Pages(length)):
            job.call()

    length = 5
    execute(job, visiting)
    length = 6
    error = execute(job, visiting).error
    assert isinstance(error, InvalidStepError)
    assert 'found {"length": 6}' in str(error)


def test_on_resume_an_async_iterable_that_ends_too_early_is_an_error(job: Job) -> None:
    async def visiting(step: Step) -> None:
        async for item in step.each(generated(length)):
            if item == 1:
                job.call()

    length = 3
    execute(job, visiting)
    length = 1
    error = execute(job, visiting).error
    assert isinstance(error, InvalidStepError)
    assert "the cursor is 2, but the async iterable ended after 1 items" in str(error)
    assert job.cursor == 2


@pytest.mark.parametrize("start", [-1, True, "b", [1]])
def test_each_over_an_async_iterable_begins_at_an_index(start: object, job: Job) -> None:
    @step(start=start)
    async def visit(step: Step) -> None:
        step.each(generated(3))

    error = job.execute(lambda: asyncio.run(visit())).error
    assert isinstance(error, InvalidStepError)
    assert "an async iterable is gone on with at an index" in str(error)


def test_batches_of_an_async_source_may_come_and_go_over_a_deploy(job: Job) -> None:
    def visiting(source: Callable[[], Any], until: object) -> Body:
        async def body(step: Step) -> Any:
            found = []
            async for item in step.each(source()):
                found.append(item)
                if item == until:
                    job.call()
            return found

        return body

    execute(job, visiting(lambda: batches(generated(7), 2), [0, 1]))
    assert job.cursor == 2
    execute(job, visiting(lambda: batches(generated(7), 3), [2, 3, 4]))
    assert execute(job, visiting(lambda: generated(7), None)).result == [5, 6]


# The law


kinds = st.sampled_from([generated, Client, Answers, Pages])
wrappers = st.lists(
    st.sampled_from(
        [
            lambda source: batches(source, 1),
            lambda source: batches(source, 2),
            numbered,
            lambda source: numbered(source, -3),
        ]
    ),
    max_size=3,
)


@BOUNDED
@given(kinds, st.integers(0, 6), wrappers)
def test_the_law_of_async_sources_and_their_wrappers(
    kind: Callable[[int], Any], length: int, wrappers: list[Callable[[Any], Any]]
) -> None:
    def make() -> AsyncSource[Any]:
        source = kind(length)
        for wrap in wrappers:
            source = wrap(source)
        return async_source_of(source)

    asyncio.run(assert_law(make))


def test_async_wrappers_give_what_their_twins_give() -> None:
    async def found() -> Any:
        return await collected(numbered(batches(generated(5), 2), 1))

    assert asyncio.run(found()) == list(numbered(batches(range(5), 2), 1))

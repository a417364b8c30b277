"""The state machine: which step may run, is skipped, recorded, interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from rq_steps import (
    Interrupt,
    InvalidStepError,
    Step,
    UnserializableError,
    continuable,
    step,
)
from rq_steps.events import Event, StepCompleted, StepSkipped, StepStarted, subscribe
from rq_steps.keeper import Departure
from tests.unit.memory import STOPPING, Crash, Execution, Job

ISOLATED = Departure("isolated")


@pytest.fixture
def job() -> Job:
    return Job()


class Plain:
    """Steps without a cursor that note when they run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(self, name: str, *, isolated: bool = False) -> Any:
        @step(name=name, isolated=isolated)
        def run() -> str:
            self.ran.append(name)
            return name.upper()

        return run()


@pytest.fixture
def plain() -> Plain:
    return Plain()


def leave(execution: Execution) -> Departure:
    """At every checkpoint."""
    return STOPPING


def message(execution: Execution, kind: type[BaseException] = InvalidStepError) -> str:
    assert type(execution.error) is kind, repr(execution.error)
    assert "\n" not in str(execution.error)
    return str(execution.error)


# Checkpoints


def test_a_checkpoint_lies_before_each_step_except_the_first(job: Job, plain: Plain) -> None:
    turns: list[str] = plain.ran

    def three() -> None:
        for name in "abc":
            plain(name)

    job.execute(three, lambda execution: turns.append("checkpoint"), every=True)
    assert turns == ["a", "checkpoint", "b", "checkpoint", "c"]


def test_skipped_steps_do_not_count_as_the_first_that_an_execution_runs(
    job: Job, plain: Plain
) -> None:
    def three() -> None:
        for name in "abc":
            plain(name)

    for done in ("a", "ab"):
        assert job.execute(three, leave, every=True).departure == STOPPING
        assert plain.ran == list(done)
    execution = job.execute(three, leave, every=True)
    assert execution.departure is None
    assert execution.attended_count == 0
    assert plain.ran == ["a", "b", "c"]


def test_there_is_no_checkpoint_after_the_last_step(job: Job, plain: Plain) -> None:
    def one() -> str:
        plain("a")
        job.call()
        return "result"

    execution = job.execute(one)
    assert execution.departure is None
    assert execution.result == "result"


def test_a_step_that_does_not_look_is_not_interrupted(job: Job) -> None:
    @step
    def long() -> str:
        job.call()
        return "whole"

    assert job.execute(long).result == "whole"


def test_a_call_in_a_step_is_heeded_before_the_next(job: Job, plain: Plain) -> None:
    @step
    def long() -> None:
        job.call()

    def both() -> None:
        long()
        plain("b")

    assert job.execute(both).departure == STOPPING
    assert job.names == ["long"]
    assert plain.ran == []
    assert job.execute(both).departure is None
    assert plain.ran == ["b"]


# Reasons


@pytest.mark.parametrize(
    "departure",
    [
        Departure("stopping"),
        Departure("max_runtime"),
        Departure("timeout"),
        Departure("paused", wait=5.0),
    ],
)
def test_an_execution_leaves_with_the_reason_that_its_keeper_gives(
    departure: Departure, job: Job, plain: Plain
) -> None:
    def both() -> None:
        plain("a")
        job.call(departure)
        plain("b")

    assert job.execute(both).departure == departure


def test_the_interrupt_says_why(job: Job) -> None:
    seen = []

    @step
    def wait(step: Step) -> None:
        try:
            step.interrupt(reason="rate limit")
        except Interrupt as interrupt:
            seen.append(str(interrupt))
            raise

    job.execute(wait)
    assert seen == ["rate limit"]


def test_the_first_reason_stands(job: Job, plain: Plain) -> None:
    def swallowing() -> None:
        plain("a")
        for reason in ("first", "second"):
            job.call(Departure(reason))
            try:
                plain("b")
            except BaseException:
                continue

    assert job.execute(swallowing).departure == Departure("first")


# Isolated steps


def test_an_isolated_step_runs_in_an_execution_of_its_own(job: Job, plain: Plain) -> None:
    def three() -> str:
        plain("before")
        plain("alone", isolated=True)
        plain("after")
        return "done"

    for names in (["before"], ["alone"], ["after"]):
        plain.ran.clear()
        execution = job.execute(three)
        assert plain.ran == names
        assert execution.departure == (None if names == ["after"] else ISOLATED)
    assert execution.result == "done"


def test_an_isolated_step_that_is_the_first_runs_at_once(job: Job, plain: Plain) -> None:
    def both() -> None:
        plain("alone", isolated=True)
        plain("after")

    assert job.execute(both).departure == ISOLATED
    assert plain.ran == ["alone"]


def test_an_isolated_step_that_is_the_last_ends_the_job(job: Job, plain: Plain) -> None:
    assert job.execute(lambda: plain("alone", isolated=True)).departure is None


def test_an_isolated_step_that_has_completed_isolates_nothing(job: Job, plain: Plain) -> None:
    def steps() -> None:
        plain("alone", isolated=True)
        plain("b")
        plain("c")

    job.execute(steps)
    assert job.execute(steps).departure is None
    assert plain.ran == ["alone", "b", "c"]


def test_an_isolated_step_that_is_resumed_is_still_isolated(job: Job, plain: Plain) -> None:
    @step(isolated=True)
    def alone(step: Step) -> None:
        if not step.resumed:
            step.interrupt()

    def both() -> None:
        alone()
        plain("after")

    assert [job.execute(both).departure for _ in range(3)] == [
        Departure("interrupted", own=True),
        ISOLATED,
        None,
    ]


def test_who_is_to_leave_anyway_leaves_for_that_reason_and_not_for_isolation(
    job: Job, plain: Plain
) -> None:
    def both() -> None:
        plain("a")
        job.call()
        plain("alone", isolated=True)

    assert job.execute(both).departure == STOPPING


def test_a_step_may_be_isolated_by_with_options(job: Job, plain: Plain) -> None:
    @step
    def once() -> None:
        pass

    def both() -> None:
        plain("a")
        once.with_options(isolated=True)()

    assert job.execute(both).departure == ISOLATED


# Results


def test_a_skipped_step_returns_its_recorded_result(job: Job, plain: Plain) -> None:
    counted = []

    @step
    def count() -> Any:
        counted.append(1)
        return (len(counted), {1: "a"}, None)

    def both() -> Any:
        found = count()
        job.call()
        plain("b")
        return found

    job.execute(both)
    assert job.execute(both).result == (1, {1: "a"}, None)
    assert counted == [1]


def test_a_recorded_result_belongs_to_whoever_gets_it(job: Job, plain: Plain) -> None:
    @step
    def rows() -> list[int]:
        return [1]

    def steps() -> Any:
        found = rows()
        found.append(2)
        job.call()
        plain("b")
        return found

    job.execute(steps)
    assert job.execute(steps).result == [1, 2]


def test_a_result_that_cannot_be_saved_leaves_the_step_undone(plain: Plain) -> None:
    job = Job(pickling=False)

    @step(start=0)
    def rows(step: Step) -> object:
        step.advance()
        return object()

    execution = job.execute(rows)
    assert message(execution, UnserializableError).startswith("result of step 'rows': ")
    assert job.names == []
    assert job.cursor == 1


def test_a_result_that_cannot_be_restored_is_refused_by_name(job: Job, plain: Plain) -> None:
    class Local:
        pass

    @step
    def rows() -> object:
        return Local()

    def steps() -> None:
        rows()
        job.call()
        plain("b")

    assert job.execute(steps).departure == STOPPING
    record = job.record
    job.pickling = False
    assert message(job.execute(steps), UnserializableError).startswith("result of step 'rows': ")
    assert job.record == record


# Names and order


def test_a_step_within_a_step_is_refused(job: Job, plain: Plain) -> None:
    @step
    def outer() -> None:
        plain("inner")

    assert message(job.execute(outer)) == (
        "step 'inner' is nested inside step 'outer', or called beside it: one at a time"
    )
    assert plain.ran == []


def test_a_step_within_itself_is_refused(job: Job) -> None:
    @step
    def again() -> None:
        again()

    assert "nested inside step 'again'" in message(job.execute(again))


def test_a_repeated_name_is_refused(job: Job, plain: Plain) -> None:
    def twice() -> None:
        plain("a")
        plain("a")

    assert message(job.execute(twice)) == (
        "step 'a' has been called already: call it again under another name, "
        "with its with_options(name=...)"
    )
    assert plain.ran == ["a"]


def test_a_repeated_name_is_refused_after_a_skipped_one_too(job: Job, plain: Plain) -> None:
    def twice() -> None:
        plain("a")
        if job.completed:
            plain("a")
        job.call()
        plain("b")

    job.execute(lambda: plain("a"))
    assert "has been called already" in message(job.execute(twice))


def test_a_step_is_called_again_under_another_name(job: Job) -> None:
    ran = []

    @step
    def shard(step: Step, number: int) -> str:
        ran.append((step.name, number))
        job.call()
        return step.name

    def shards() -> Any:
        return [shard.with_options(name=f"shard-{n}")(n) for n in range(3)]

    assert job.execute_until_done(shards) == ["shard-0", "shard-1", "shard-2"]
    assert ran == [("shard-0", 0), ("shard-1", 1), ("shard-2", 2)]
    assert job.names == ["shard-0", "shard-1", "shard-2"]


def interrupted_after(job: Job, plain: Plain, *names: str) -> None:
    """A job that has completed these steps."""

    def steps() -> None:
        for name in names:
            plain(name)
        job.call()
        plain("next")

    job.execute(steps)
    assert job.names == list(names)
    plain.ran.clear()


def test_completed_steps_come_in_the_recorded_order(job: Job, plain: Plain) -> None:
    interrupted_after(job, plain, "a", "b")
    record = job.record

    def swapped() -> None:
        plain("b")
        plain("a")

    assert message(job.execute(swapped)) == (
        "step 'b' found, expected 'a', which had completed here earlier"
    )
    assert plain.ran == []
    assert job.record == record


def test_a_new_step_before_a_completed_one_is_refused(job: Job, plain: Plain) -> None:
    interrupted_after(job, plain, "a", "b")
    record = job.record

    def changed() -> None:
        for name in ("a", "new", "b"):
            plain(name)

    assert "step 'new' found, expected 'b'" in message(job.execute(changed))
    assert plain.ran == []
    assert job.record == record


def interrupted_in(job: Job, name: str) -> None:
    """A job that has begun this step."""

    @step(name=name)
    def begun(step: Step) -> None:
        job.call()
        step.set(5)

    assert job.execute(begun).departure == STOPPING
    assert job.cursor == 5


def test_another_step_than_the_one_to_resume_from_is_refused(job: Job, plain: Plain) -> None:
    interrupted_in(job, "a")
    record = job.record
    assert message(job.execute(lambda: plain("b"))) == (
        "step 'b' found, expected to resume from 'a'"
    )
    assert plain.ran == []
    assert job.record == record


def test_a_completed_step_that_is_never_called_again_is_an_error_at_the_end(
    job: Job, plain: Plain
) -> None:
    interrupted_after(job, plain, "a", "b")
    record = job.record
    assert message(job.execute(lambda: plain("a"))) == (
        "step 'b' had completed earlier, and was not called this time"
    )
    assert job.record == record


def test_a_step_that_had_begun_and_is_never_called_again_is_an_error_at_the_end(
    job: Job,
) -> None:
    interrupted_in(job, "a")
    record = job.record
    assert message(job.execute(lambda: None)) == (
        "step 'a' had begun earlier, and was not called this time"
    )
    assert job.record == record


def test_after_an_invalid_step_the_right_code_goes_on_where_it_was(job: Job, plain: Plain) -> None:
    interrupted_after(job, plain, "a", "b")
    job.execute(lambda: plain("c"))

    def right() -> None:
        for name in "abc":
            plain(name)

    assert job.execute(right).error is None
    assert plain.ran == ["c"]


def test_steps_may_follow_that_were_not_there_before(job: Job, plain: Plain) -> None:
    interrupted_after(job, plain, "a")

    def longer() -> None:
        for name in ("a", "new", "next"):
            plain(name)

    assert job.execute(longer).error is None
    assert job.names == ["a", "new", "next"]


# Exceptions


def test_an_exception_is_not_the_machines(job: Job, plain: Plain) -> None:
    def failing() -> None:
        plain("a")
        raise KeyError("b")

    execution = job.execute(failing)
    assert isinstance(execution.error, KeyError)
    assert execution.departure is None
    assert job.names == ["a"]


def test_an_execution_has_advanced_when_a_step_has_completed(job: Job, plain: Plain) -> None:
    def failing() -> None:
        plain("a")
        raise ValueError

    assert job.execute(failing).continuation.advanced
    assert not job.execute(failing).continuation.advanced


def test_an_execution_has_advanced_when_the_cursor_has_moved(job: Job) -> None:
    @step(start=0)
    def failing(step: Step, count: int) -> None:
        for _ in range(count):
            step.advance()
        raise ValueError

    assert job.execute(lambda: failing(1)).continuation.advanced
    assert not job.execute(lambda: failing(0)).continuation.advanced


@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("native", [True, False])
def test_an_execution_has_not_advanced_when_its_first_item_failed(
    kind: Callable[..., Any], native: bool
) -> None:
    @step
    def failing(step: Step, at: int) -> None:
        for item in step.each(kind(range(4))):
            if item == at:
                raise ValueError

    job = Job(native=native)
    assert not job.execute(lambda: failing(0)).continuation.advanced
    assert job.execute(lambda: failing(2)).continuation.advanced
    assert not job.execute(lambda: failing(2)).continuation.advanced


def test_a_step_that_failed_is_resumed_at_its_cursor(job: Job) -> None:
    seen = []

    @step(start=0)
    def number(step: Step) -> None:
        seen.append(step.cursor)
        step.set(5)
        if not step.resumed:
            raise ValueError

    job.execute(number)
    assert job.execute(number).error is None
    assert seen == [0, 5]


def test_after_a_failed_step_no_other_may_run(job: Job, plain: Plain) -> None:
    @step
    def failing() -> None:
        raise ValueError

    def careless() -> None:
        try:
            failing()
        except ValueError:
            plain("b")

    assert "expected to resume from 'failing'" in message(job.execute(careless))
    assert plain.ran == []


def test_a_failed_step_whose_error_is_swallowed_does_not_end_the_job(job: Job) -> None:
    @step
    def failing() -> None:
        raise ValueError

    def careless() -> None:
        with suppress(ValueError):
            failing()

    assert message(job.execute(careless)) == (
        "step 'failing' did not complete: its error was caught, or it was not awaited"
    )
    assert job.names == []


# Swallowed interrupts


def swallow(call: Callable[[], object]) -> None:
    try:
        call()
    except BaseException:
        return


def leave_out(call: Callable[[], object]) -> None:
    """As `finally: return` does, which Python 3.14 warns of."""
    with suppress(BaseException):
        call()


def raise_over(call: Callable[[], object]) -> None:
    try:
        call()
    finally:
        raise ValueError("the clean-up failed")


SWALLOWING = pytest.mark.parametrize("swallowing", [swallow, leave_out])
SPOILING = pytest.mark.parametrize("swallowing", [swallow, leave_out, raise_over])


def test_except_exception_does_not_swallow_the_interrupt(job: Job) -> None:
    seen = []

    @step
    def careful(step: Step) -> None:
        job.call()
        try:
            step.checkpoint()
        except Exception:
            seen.append("swallowed")

    assert job.execute(careful).departure == STOPPING
    assert seen == []


@SPOILING
def test_an_interrupt_that_a_step_swallows_still_takes_effect(
    swallowing: Callable[..., None], job: Job
) -> None:
    @step
    def careless(step: Step) -> str:
        job.call()
        swallowing(step.checkpoint)
        return "half"

    execution = job.execute(careless)
    assert execution.departure == STOPPING
    assert job.names == []


@SWALLOWING
def test_a_step_that_swallowed_the_interrupt_leaves_at_the_next_turn(
    swallowing: Callable[..., None], job: Job
) -> None:
    seen = []

    @step(start=0)
    def careless(step: Step) -> None:
        job.call()
        swallowing(step.checkpoint)
        seen.append("went on")
        step.advance()
        seen.append("not reached")

    assert job.execute(careless).departure == STOPPING
    assert seen == ["went on"]
    assert job.cursor == 1


TURNS: dict[str, Callable[[Step], object]] = {
    "checkpoint": lambda step: step.checkpoint(),
    "set": lambda step: step.set(1),
    "advance": lambda step: step.advance(from_=1),
    "save": lambda step: step.save(),
    "interrupt": lambda step: step.interrupt(),
    "each": lambda step: list(step.each([1, 2])),
    "each generator": lambda step: list(step.each(iter([1, 2]))),
}


@pytest.mark.parametrize("turn", sorted(TURNS))
@pytest.mark.parametrize("native", [True, False])
def test_every_turn_leaves_when_the_execution_is_leaving(turn: str, native: bool) -> None:
    job, seen = Job(native=native), list[str]()

    @step
    def careless(step: Step) -> None:
        job.call()
        swallow(step.checkpoint)
        job.call(None)
        TURNS[turn](step)
        seen.append("not reached")

    assert job.execute(careless).departure == STOPPING
    assert seen == []


@SPOILING
def test_an_interrupt_that_is_swallowed_around_a_step_still_takes_effect(
    swallowing: Callable[..., None], job: Job, plain: Plain
) -> None:
    def careless() -> str:
        plain("a")
        job.call()
        swallowing(lambda: plain("b"))
        return "half"

    execution = job.execute(careless)
    assert execution.departure == STOPPING
    assert job.names == ["a"]
    assert plain.ran == ["a"]


@SWALLOWING
def test_no_further_step_runs_in_an_execution_that_is_leaving(
    swallowing: Callable[..., None], job: Job, plain: Plain
) -> None:
    def careless() -> None:
        plain("a")
        job.call()
        for name in "bcd":
            swallowing(lambda name=name: plain(name))

    assert job.execute(careless).departure == STOPPING
    assert plain.ran == ["a"]


def test_a_step_that_is_called_by_an_execution_that_is_leaving_raises_the_interrupt_again(
    job: Job, plain: Plain
) -> None:
    @step
    def throttled(step: Step) -> None:
        step.interrupt(reason="rate limit")

    raised: list[str] = []

    def careless() -> None:
        swallow(throttled)
        for name in "ab":
            try:
                plain(name)
            except Interrupt as interrupt:
                raised.append(str(interrupt))

    job.execute(careless)
    assert raised == ["rate limit", "rate limit"]
    assert plain.ran == []


def test_a_swallowed_interrupt_loses_no_item(job: Job) -> None:
    visited = []

    @step
    def careless(step: Step) -> None:
        for item in step.each(range(5)):
            job.call()
            swallow(step.checkpoint)
            visited.append(item)

    job.execute_until_done(careless)
    assert visited == list(range(5))


# Saving


def test_an_execution_saves_once_when_its_first_step_begins(job: Job) -> None:
    seen: list[Any] = []

    @step(start=3)
    def first() -> None:
        seen.append((job.cursor, job.running and job.running.saved_count))

    job.execute(first)
    assert seen == [(3, 1)]


def test_a_completed_step_is_saved_at_once(job: Job, plain: Plain) -> None:
    def dying() -> None:
        plain("a")
        plain("b")
        raise Crash

    assert isinstance(job.execute(dying).error, Crash)
    assert job.names == ["a", "b"]


def test_a_job_that_dies_is_known_by_its_first_step(job: Job, plain: Plain) -> None:
    interrupted_after(job, plain, "a")

    @step(start=7)
    def dying() -> None:
        raise Crash

    def steps() -> None:
        plain("a")
        dying()

    job.execute(steps)
    current = job.record.current
    assert current is not None
    assert (current.name, current.cursor) == ("dying", 7)


@pytest.mark.parametrize("at", ["first step", "completed step"])
def test_who_has_lost_the_job_leaves_and_writes_nothing(at: str, job: Job) -> None:
    lost = Departure("superseded", lost=True)
    seen = []

    def lose() -> None:
        assert job.running is not None
        job.running.lost = lost

    @step
    def working() -> None:
        seen.append("ran")
        lose()

    def steps() -> None:
        if at == "first step":
            lose()
        working()
        seen.append("not reached")

    assert job.execute(steps).departure == lost
    assert seen == ([] if at == "first step" else ["ran"])
    assert job.names == []


# Code around the steps


def test_code_outside_the_steps_runs_on_every_execution(job: Job, plain: Plain) -> None:
    seen = []

    def steps() -> None:
        seen.append("before")
        plain("a")
        job.call()
        plain("b")
        seen.append("after")

    job.execute(steps)
    job.execute(steps)
    assert seen == ["before", "before", "after"]


def test_a_continuable_without_steps_is_a_function(job: Job) -> None:
    assert job.execute(lambda: 5).result == 5


def test_a_continuable_inside_a_continuable_is_a_plain_function_there(
    job: Job, plain: Plain
) -> None:
    @continuable
    def inner() -> str:
        plain("b")
        job.call()
        plain("c")
        return "inner"

    @continuable
    async def inner_async() -> str:
        plain("d")
        return "async"

    def outer() -> Any:
        plain("a")
        return inner(), asyncio.run(inner_async())

    assert job.execute(outer).departure == STOPPING
    assert job.names == ["a", "b"]
    assert job.execute(outer).departure == STOPPING
    assert job.execute(outer).result == ("inner", "async")
    assert plain.ran == ["a", "b", "c", "d"]


def test_a_continuable_that_is_called_directly_runs_straight_through(plain: Plain) -> None:
    @step
    def throttled(step: Step) -> Any:
        step.interrupt(5)
        return list(step.each(range(3)))

    @continuable
    def steps() -> Any:
        plain("a")
        plain("alone", isolated=True)
        return throttled()

    assert steps() == [0, 1, 2]
    assert steps() == [0, 1, 2]
    assert plain.ran == ["a", "alone"] * 2


def test_a_continuable_that_is_called_directly_has_the_same_rules(plain: Plain) -> None:
    @continuable
    def twice() -> None:
        plain("a")
        plain("a")

    with pytest.raises(InvalidStepError, match="has been called already"):
        twice()


# Threads


def in_a_thread(function: Callable[[], object]) -> BaseException | None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def in_a_pool(function: Callable[[], object]) -> BaseException | None:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).exception()


def in_a_pool_with_context(function: Callable[[], object]) -> BaseException | None:
    return in_a_pool(lambda: contextvars.copy_context().run(function))


def by_asyncio(function: Callable[[], object]) -> BaseException | None:
    try:
        asyncio.run(_to_thread(function))
    except BaseException as error:
        return error
    return None


async def _to_thread(function: Callable[[], object]) -> None:
    await asyncio.to_thread(function)


@pytest.mark.parametrize("elsewhere", [in_a_thread, in_a_pool, in_a_pool_with_context, by_asyncio])
def test_a_step_called_from_another_thread_is_refused(
    elsewhere: Callable[..., BaseException | None], job: Job, plain: Plain
) -> None:
    raised: list[BaseException | None] = []

    def steps() -> None:
        plain("a")
        raised.append(elsewhere(lambda: plain("b")))

    assert job.execute(steps).error is None
    assert isinstance(raised[0], InvalidStepError)
    assert "called from another thread than its continuable's" in str(raised[0])
    assert plain.ran == ["a"]
    assert job.names == ["a"]


def test_an_async_step_called_from_another_thread_is_refused(job: Job) -> None:
    ran = []

    @step
    async def elsewhere() -> None:
        ran.append("elsewhere")

    def steps() -> None:
        error = in_a_thread(lambda: asyncio.run(elsewhere()))
        assert isinstance(error, InvalidStepError)

    assert job.execute(steps).error is None
    assert ran == []


@pytest.mark.parametrize("use", [Step.checkpoint, Step.save, Step.interrupt])
def test_a_step_that_is_handed_to_another_thread_is_of_no_use_there(
    use: Callable[[Step], None], job: Job
) -> None:
    raised: list[BaseException | None] = []

    @step
    def first(step: Step) -> None:
        job.call()
        raised.append(in_a_pool(lambda: use(step)))
        step.checkpoint()

    assert job.execute(first).departure == STOPPING
    assert isinstance(raised[0], InvalidStepError)
    assert str(raised[0]) == "a Step was used from another thread than its continuable's"


def test_a_step_called_from_a_forked_process_is_refused(job: Job, plain: Plain) -> None:
    def steps() -> str:
        plain("a")
        return in_a_child(lambda: plain("b"))

    assert job.execute(steps).result == (
        "InvalidStepError: step 'b' was called from another process than its continuable's"
    )
    assert job.names == ["a"]


def in_a_child(function: Callable[[], object]) -> str:
    """What it raises in a process that is forked from this one."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            function()
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        return said.read()


def test_a_step_in_another_thread_than_a_direct_call_is_the_plain_function(plain: Plain) -> None:
    """Nothing is recorded there, so that nothing is lost."""

    @continuable
    def steps() -> None:
        assert in_a_thread(lambda: plain("a")) is None

    steps()
    assert plain.ran == ["a"]


def test_a_continuable_may_run_in_any_thread(plain: Plain) -> None:
    job = Job(native=False)

    def steps() -> None:
        plain("a")
        plain("b")

    assert in_a_thread(lambda: job.execute(steps)) is None
    assert job.names == ["a", "b"]


def test_two_continuables_in_two_threads_do_not_disturb_each_other(plain: Plain) -> None:
    inner, outer = Job(native=False), Job()

    def steps() -> None:
        plain("a")
        assert in_a_thread(lambda: inner.execute(lambda: plain("elsewhere"))) is None
        plain("b")

    assert outer.execute(steps).error is None
    assert outer.names == ["a", "b"]
    assert inner.names == ["elsewhere"]


def test_a_step_called_after_its_continuable_had_ended_is_refused(job: Job, plain: Plain) -> None:
    kept: list[contextvars.Context] = []
    job.execute(lambda: kept.append(contextvars.copy_context()))
    with pytest.raises(InvalidStepError, match="after its continuable had ended"):
        kept[0].run(plain, "late")
    assert plain.ran == []


def test_after_an_execution_steps_are_plain_functions_again(job: Job, plain: Plain) -> None:
    def failing() -> None:
        plain("a")
        raise ValueError

    job.execute(failing)
    assert plain("b") == "B"
    assert in_a_thread(lambda: plain("c")) is None
    assert plain.ran == ["a", "b", "c"]


# async


def test_async_steps_run_one_after_the_other_are_skipped_and_interrupted(job: Job) -> None:
    ran: list[Any] = []

    @step
    async def first() -> int:
        await asyncio.sleep(0)
        ran.append("first")
        return 5

    @step
    async def visit(step: Step, count: int) -> None:
        for item in step.each(range(count)):
            await asyncio.sleep(0)
            ran.append(item)
            job.call()

    async def steps() -> str:
        await visit(await first())
        return "done"

    assert job.execute_until_done(lambda: asyncio.run(steps())) == "done"
    assert ran == ["first", 0, 1, 2, 3, 4]


def test_two_async_steps_at_once_are_refused(job: Job) -> None:
    ran = []

    @step
    async def one() -> None:
        await asyncio.sleep(0)
        ran.append("one")

    @step
    async def other() -> None:
        ran.append("other")

    async def steps() -> None:
        await asyncio.gather(one(), other())

    execution = job.execute(lambda: asyncio.run(steps()))
    assert message(execution).startswith(
        "step 'other' is nested inside step 'one', or called beside"
    )
    assert "other" not in ran
    assert job.names in ([], ["one"])


def test_an_async_step_that_is_not_awaited_to_its_end_does_not_end_the_job(job: Job) -> None:
    @step
    async def one() -> None:
        await asyncio.sleep(3600)

    async def steps() -> str:
        task = asyncio.ensure_future(one())
        await asyncio.sleep(0)
        assert not task.done()
        return "half"

    execution = job.execute(lambda: asyncio.run(steps()))
    assert message(execution) == (
        "step 'one' did not complete: its error was caught, or it was not awaited"
    )


def test_an_async_step_that_is_called_and_never_awaited_does_not_end_the_job(job: Job) -> None:
    kept = []

    @step
    async def one() -> None:
        pass

    async def steps() -> str:
        kept.append(one())
        return "half"

    execution = job.execute(lambda: asyncio.run(steps()))
    kept[0].close()
    assert message(execution) == "step 'one' was called and not awaited: it has not run"


def test_async_steps_in_tasks_of_their_own_count(job: Job) -> None:
    @step
    async def one(number: int) -> int:
        return number

    async def steps() -> Any:
        tasks = [one.with_options(name=f"one-{number}")(number) for number in range(3)]
        return [await asyncio.ensure_future(task) for task in tasks]

    assert job.execute(lambda: asyncio.run(steps())).result == [0, 1, 2]
    assert job.names == ["one-0", "one-1", "one-2"]


async def in_a_group(call: Callable[[], Any]) -> None:
    """As a TaskGroup does (Python 3.11): whatever is raised comes out wrapped."""
    if sys.version_info >= (3, 11):
        async with asyncio.TaskGroup() as group:
            group.create_task(call())
        return
    try:
        await call()
    except BaseException as error:
        raise RuntimeError("wrapped") from error


def test_an_interrupt_that_a_task_group_wraps_still_takes_effect(job: Job) -> None:
    @step(start=0)
    async def count(step: Step) -> None:
        while step.cursor < 3:
            await asyncio.sleep(0)
            job.call()
            step.advance()

    async def steps() -> str:
        await in_a_group(count)
        return "done"

    for cursor in (1, 2, 3):
        assert job.execute(lambda: asyncio.run(steps())).departure == STOPPING
        assert job.cursor == cursor
    assert job.execute(lambda: asyncio.run(steps())).result == "done"


# Declared steps


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_a_step_that_is_declared_and_never_called_is_a_warning_that_names_it(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    def steps() -> None:
        @step
        def forgotten() -> None:
            pass

        @step(name="renamed")
        def other() -> None:
            pass

    assert job.execute(steps).error is None
    assert warnings(caplog) == [
        f"Job a job: step '{name}' was declared and never called: "
        f"@step only declares it, call {name}() to run it"
        for name in ("forgotten", "renamed")
    ]


def call_it() -> None:
    @step
    def called() -> None:
        pass

    called()


def call_it_under_two_names() -> None:
    @step
    def shard() -> None:
        pass

    shard.with_options(name="shard-1")()
    shard.with_options(name="shard-2")()


def await_it() -> None:
    @step
    async def awaited() -> None:
        pass

    asyncio.run(awaited())


def call_a_method() -> None:
    class Local:
        @step
        def method(self) -> None:
            pass

    Local().method()


@pytest.mark.parametrize("steps", [call_it, call_it_under_two_names, await_it, call_a_method])
def test_a_declared_step_that_is_called_is_no_warning_and_neither_is_one_that_is_skipped(
    steps: Callable[[], None], job: Job, plain: Plain, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted_once() -> None:
        steps()
        job.call()
        plain("last")

    assert job.execute(interrupted_once).departure == STOPPING
    assert job.execute(interrupted_once).error is None
    assert warnings(caplog) == []


def test_a_step_under_other_options_is_called_only_by_calling_it(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    def steps() -> None:
        @step
        def shard() -> None:
            pass

        shard.with_options(name="shard-1")

    job.execute(steps)
    assert len(warnings(caplog)) == 1
    assert "step 'shard' was declared and never called" in warnings(caplog)[0]


def test_an_execution_that_leaves_complains_of_no_declared_step(
    job: Job, plain: Plain, caplog: pytest.LogCaptureFixture
) -> None:
    def steps() -> None:
        @step
        def last() -> None:
            pass

        plain("a")
        job.call()
        plain("b")
        last()

    assert job.execute(steps).departure == STOPPING
    assert warnings(caplog) == []


def test_a_step_that_is_declared_outside_need_not_be_called(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    @step
    def outside() -> None:
        pass

    job.execute(lambda: None)
    assert warnings(caplog) == []


# Events


def test_each_turn_of_a_step_is_an_event(job: Job, plain: Plain) -> None:
    @step
    def visit(step: Step) -> None:
        for item in step.each(list("abc")):
            if item == "b":
                job.call()

    def steps() -> None:
        plain("a")
        visit()

    assert job.execute(steps).events == [
        StepStarted("a job", "a", None, False),
        StepCompleted("a job", "a", None),
        StepStarted("a job", "visit", None, False),
    ]
    end = subscribe(lambda event: None)
    try:
        assert job.execute(steps).events == [
            StepSkipped("a job", "a"),
            StepStarted("a job", "visit", 2, True),
            StepCompleted("a job", "visit", 3),
        ]
    finally:
        end()


def test_skipped_steps_cost_no_event_where_nobody_listens(job: Job, plain: Plain) -> None:
    interrupted_after(job, plain, "a")
    assert job.execute(lambda: plain("a")).events == []


def place(job: Job) -> tuple[str | None, object, str | None]:
    assert job.running is not None
    return job.running.continuation.place


def test_the_place_of_an_execution_is_step_cursor_and_the_step_that_completed_last(
    job: Job, plain: Plain
) -> None:
    seen: list[Any] = []

    @step
    def number(step: Step) -> None:
        seen.append(place(job))
        step.set((1, 2))
        seen.append(place(job))
        job.call()
        step.checkpoint()

    def steps() -> None:
        seen.append(place(job))
        plain("a")
        seen.append(place(job))
        number()

    job.execute(steps)
    after = "a"
    assert seen == [
        (None, None, None),
        (None, None, after),
        ("number", None, after),
        ("number", (1, 2), after),
    ]
    assert place(job) == ("number", (1, 2), after)
    assert Execution(job).continuation.place == ("number", (1, 2), after)


def test_the_place_is_known_even_where_the_cursor_cannot_be_restored(job: Job) -> None:
    class Local:
        pass

    @step
    def number(step: Step) -> None:
        job.call()
        step.set(Local())

    job.execute(number)
    job.pickling = False
    name, cursor, _ = Execution(job).continuation.place
    assert name == "number"
    assert isinstance(cursor, dict)
    assert message(job.execute(number), UnserializableError).startswith("cursor of step 'number': ")


def test_events_are_published_in_order_with_what_happens(job: Job, plain: Plain) -> None:
    turns: list[Any] = plain.ran

    class Telling(Execution):
        def publish(self, event: Event) -> None:
            turns.append(type(event).__name__)

        def save(self) -> Departure | None:
            turns.append("save")
            return super().save()

    def steps() -> None:
        plain("a")
        plain("b")

    Telling(job).run(steps)
    one = ["a", "StepCompleted", "save", "StepStarted", "b", "StepCompleted", "save"]
    assert turns == ["StepStarted", "save", *one]

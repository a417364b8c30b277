"""Jobs that are odd, in the ways that users' jobs are, are rehearsed as a worker runs them."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from datetime import date
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis
from rq.decorators import job
from rq.exceptions import AbandonedJobError
from rq.timeouts import JobTimeoutException

from rq_steps import (
    InvalidStepError,
    ResumeLimitError,
    Step,
    UnserializableError,
    continuable,
    step,
)
from rq_steps.testing import Clock, NeverReachedError, Rehearsal, RehearsalError, everywhere

done: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_is_done() -> None:
    done.clear()


def anew(rehearsal: partial[Rehearsal]) -> Rehearsal:
    done.clear()
    return rehearsal()


def is_right(function: Any, *args: Any, result: Any, **options: Any) -> None:
    """Cut it everywhere. It has to return the same, and to have done each item."""
    make = partial(anew, partial(Rehearsal, function, *args, **options))
    make().run()
    all_items = set(done)
    everywhere(make, lambda it: it.result == result and set(done) == all_items)


@step
def rows(step: Step, count: int) -> int:
    for row in step.each(range(count)):
        done.append(row)
    return count


@continuable
def import_rows(count: int) -> int:
    return rows(count)


# What they look like


@step
async def fetch(step: Step, count: int) -> int:
    for page in step.each(range(count)):
        await asyncio.sleep(0)
        done.append(page)
    return count


@continuable
async def crawl(count: int) -> int:
    fetched = await fetch(count)

    @step
    async def add_one() -> int:
        return fetched + 1

    return await add_one()


class Shop:
    def __init__(self, orders: int) -> None:
        self.orders = orders

    @step
    def reprice(self, step: Step, percent: int) -> None:
        for order in step.each(range(self.orders)):
            done.append(order * percent)

    @continuable
    def run(self, percent: int) -> int:
        self.reprice(percent)
        return self.orders


@continuable
def import_twice(count: int) -> int:
    first = import_rows(count)
    return first + rows.with_options(name="again")(count)


@step
def letters(step: Step) -> None:
    for letter in step.each(letter for letter in "abcd"):
        done.append(letter)


@continuable
def write() -> None:
    letters()


@step(isolated=True)
def heavy() -> None:
    done.append("heavy")


@continuable
def lift() -> int:
    rows(2)
    heavy()
    return rows.with_options(name="light")(1)


@step(start=(0, 0))
def pairs(step: Step) -> None:
    first, second = step.cursor
    for outer in range(first, 2):
        for inner in range(second, 2):
            done.append((outer, inner))
            step.set((outer, inner + 1))
        second = 0
        step.set((outer + 1, 0))


@continuable
def pair() -> None:
    pairs()


@step(start=date(2026, 2, 27))
def days(step: Step) -> None:
    while step.cursor < date(2026, 3, 2):
        done.append(step.cursor)
        step.advance()


@continuable
def count_days() -> None:
    days()


@step
def throttled(step: Step) -> None:
    for page in step.each(range(3)):
        if page == 1 and not step.resumed:
            step.interrupt(wait=60, reason="rate limit")
        done.append(page)


@continuable
def throttle() -> None:
    throttled()


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (crawl, [3], 4),
        (Shop(3).run, [2], 3),
        (import_twice, [2], 4),
        (write, [], None),
        (lift, [], 1),
        (pair, [], None),
        (count_days, [], None),
        (throttle, [], None),
        (job("default", connection=Redis())(import_rows), [3], 3),
    ],
    ids=lambda each: getattr(each, "__qualname__", ""),
)
def test_an_odd_job_is_right_everywhere(function: Any, args: list[Any], result: Any) -> None:
    is_right(function, *args, result=result)


class Forgetful:
    total = 0

    @step
    def count(self) -> None:
        self.total = 10

    @step
    def tell(self) -> int:
        return self.total

    @continuable
    def run(self) -> int:
        self.count()
        return self.tell()


@continuable
def emptying(numbers: list[int]) -> int:
    rows(2)

    @step
    def take() -> int:
        return len(numbers)

    numbers.pop()
    return take()


def test_what_an_execution_does_to_the_object_the_next_one_does_not_see() -> None:
    rehearsal = Rehearsal(Forgetful().run)
    rehearsal.interrupt(after="count")
    assert rehearsal.run().result == 0


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_what_an_execution_does_to_an_argument_the_next_one_does_not_see(serializer: str) -> None:
    given = [1, 2, 3]
    rehearsal = Rehearsal(emptying, given, serializer=serializer)
    rehearsal.interrupt(after="rows")
    assert rehearsal.run().result == 2
    assert given == [1, 2, 3]


@pytest.mark.parametrize(
    ("argument", "serializer"), [(threading.Lock(), "pickle"), (date(2026, 1, 1), "json")]
)
def test_what_rq_could_not_enqueue_is_refused(argument: object, serializer: str) -> None:
    with pytest.raises(RehearsalError, match="could not enqueue the job with these arguments"):
        Rehearsal(import_rows, argument, serializer=serializer)


def test_a_class_method_is_rehearsed_with_its_class() -> None:
    class Local:
        @classmethod
        @continuable
        def run(cls) -> str:
            return cls.__name__

    assert Rehearsal(Local.run).run().result == "Local"


def test_an_async_job_is_refused_where_a_loop_runs_already() -> None:
    async def in_a_loop() -> None:
        Rehearsal(crawl, 1).run()

    with pytest.raises(Exception, match=r"crawl brings an event loop .*asyncio\.to_thread"):
        asyncio.run(in_a_loop())


def test_a_plain_job_is_rehearsed_where_a_loop_runs() -> None:
    async def in_a_loop() -> Any:
        return Rehearsal(import_rows, 2).run().result

    assert asyncio.run(in_a_loop()) == 2


def test_a_job_that_waits_comes_back_after_its_wait() -> None:
    rehearsal = Rehearsal(throttle)
    began = rehearsal.clock.now
    first, _ = rehearsal.run().executions
    assert (first.reason, first.wait) == ("rate limit", 60)
    assert rehearsal.clock.now == began + 60


# Cursors


@pytest.mark.parametrize(
    ("function", "during", "cursor"),
    [(pair, "pairs", (0, 2)), (count_days, "days", date(2026, 3, 1))],
)
def test_the_cursor_of_an_execution_is_the_value_itself(
    function: Any, during: str, cursor: object
) -> None:
    rehearsal = Rehearsal(function)
    rehearsal.interrupt(during=during, cursor=cursor)
    assert rehearsal.run().executions[0].cursor == cursor


# Limits


@continuable(max_resumptions=1)
def resumed_once(count: int) -> int:
    return rows(count)


@continuable(max_resumptions=0)
def never_resumed(count: int) -> int:
    return rows(count)


def test_a_job_that_is_cut_more_often_than_it_may_be_resumed_fails() -> None:
    rehearsal = Rehearsal(resumed_once, 3)
    rehearsal.interrupt(checkpoint=1)
    rehearsal.interrupt(checkpoint=2)
    with pytest.raises(ResumeLimitError):
        rehearsal.run()
    assert rehearsal.outcome == "failed"
    assert rehearsal.run().result == 3


@pytest.mark.parametrize("function", [resumed_once, never_resumed])
def test_a_job_that_reaches_its_limit_is_requeued_and_has_to_be_right(function: Any) -> None:
    is_right(function, 3, result=3)


def test_a_job_that_died_too_often_gets_another_round() -> None:
    rehearsal = Rehearsal(import_rows, 3)
    for _ in range(4):
        rehearsal.crash(during="rows", cursor=1)
    with pytest.raises(AbandonedJobError, match="3 times in a row at 'rows'"):
        rehearsal.run()
    assert rehearsal.run().result == 3
    assert [each.outcome for each in rehearsal.executions] == ["crashed"] * 4 + ["finished"]


@continuable(resume_errors=False)
def not_resumed(count: int) -> int:
    return rows(count)


def test_an_error_fails_the_job_where_errors_are_not_resumed() -> None:
    rehearsal = Rehearsal(not_resumed, 3)
    rehearsal.fail(OSError("no such row"), during="rows", cursor=2)
    with pytest.raises(OSError, match="no such row"):
        rehearsal.run()
    assert (rehearsal.executions[0].outcome, rehearsal.executions[0].cursor) == ("failed", 2)
    assert rehearsal.run().result == 3
    assert done == [0, 1, 2]


# Time


@step
def slow(step: Step, seconds: list[float]) -> None:
    for item in step.each(seconds):
        clocks[-1].advance(item)
        done.append(item)


clocks: list[Clock] = []


@continuable
def slow_job(*seconds: float) -> None:
    slow(list(seconds))


def slow_rehearsal(*seconds: float, job_timeout: Any) -> Rehearsal:
    rehearsal = Rehearsal(slow_job, *seconds, job_timeout=job_timeout)
    clocks.append(rehearsal.clock)
    return rehearsal


def test_a_job_leaves_before_an_item_that_its_timeout_would_cut() -> None:
    """The margin is the longest gap between two checkpoints, and not the least one."""
    rehearsal = slow_rehearsal(*[30] * 8, job_timeout=180).run()
    assert [(each.outcome, each.reason) for each in rehearsal.executions] == [
        ("interrupted", "timeout"),
        ("finished", None),
    ]
    assert rehearsal.executions[0].cursor == 5
    assert len(done) == 8


def test_an_item_that_takes_longer_than_the_timeout_fails_as_with_rq() -> None:
    rehearsal = slow_rehearsal(1, 200, job_timeout=180)
    with pytest.raises(JobTimeoutException, match="at 'slow', cursor 1"):
        rehearsal.run()
    assert [each.outcome for each in rehearsal.executions] == ["errored", "failed"]
    assert done == [1]


@pytest.mark.parametrize("job_timeout", [None, -1])
def test_without_a_timeout_an_item_takes_as_long_as_it_takes(job_timeout: Any) -> None:
    assert slow_rehearsal(1, 10_000, job_timeout=job_timeout).run().outcome == "finished"


def test_the_timeout_is_written_as_for_rq() -> None:
    assert slow_rehearsal(1, 500, job_timeout="10m").run().outcome == "finished"
    with pytest.raises(JobTimeoutException):
        slow_rehearsal(700, job_timeout="10m").run()


def test_what_takes_long_between_two_executions_is_none_of_the_jobs_time() -> None:
    rehearsal = slow_rehearsal(1, 1, job_timeout=180)
    rehearsal.interrupt(during="slow", cursor=1)
    rehearsal.run()
    rehearsal.clock.advance(1000)


# Code that does what it should not


@step
def stubborn(step: Step) -> None:
    for row in range(4):
        try:
            step.checkpoint()
        except BaseException as error:
            done.append(type(error).__name__)
        else:
            done.append(row)


@continuable
def swallow() -> None:
    stubborn()


def test_a_job_that_swallows_its_interruption_leaves_all_the_same() -> None:
    rehearsal = Rehearsal(swallow)
    rehearsal.interrupt(checkpoint=2)
    rehearsal.run()
    assert done == [0, "Interrupt", "Interrupt", "Interrupt", 0, 1, 2, 3]


def test_an_async_step_that_is_not_awaited_is_told() -> None:
    @continuable
    async def forgetful() -> None:
        done.append(fetch(1))

    with pytest.raises(InvalidStepError, match="called and not awaited"):
        Rehearsal(forgetful).run()
    done.pop().close()


@pytest.mark.parametrize("leave", [sys.exit, pytest.fail])
def test_however_a_check_fails_the_point_is_named(leave: Callable[[str], object]) -> None:
    def check(rehearsal: Rehearsal) -> None:
        if len(rehearsal.executions) > 1:
            leave("not right")

    with pytest.raises(AssertionError, match=r"interrupted at checkpoint 1.*\n.*: not right"):
        everywhere(partial(Rehearsal, import_rows, 3), check)


def test_a_check_that_has_to_be_awaited_is_refused() -> None:
    async def check(rehearsal: Rehearsal) -> None:
        raise AssertionError

    with pytest.raises(AssertionError, match="TypeError: check is an `async def`"):
        everywhere(partial(Rehearsal, import_rows, 3), check)


def test_a_check_may_answer_with_a_truth_of_numpys() -> None:
    truth = type("bool_", (int,), {})
    everywhere(partial(Rehearsal, import_rows, 3), lambda _: truth(1))
    with pytest.raises(AssertionError, match="check returned False"):
        everywhere(partial(Rehearsal, import_rows, 3), lambda _: truth(0))


@pytest.mark.parametrize("empty", [None, 0, "", []])
def test_a_check_that_answers_with_nothing_has_found_no_fault(empty: object) -> None:
    everywhere(partial(Rehearsal, import_rows, 3), lambda _: empty)


@pytest.mark.parametrize("right_for", [0, 1, 2])
def test_a_failure_points_at_the_line_of_the_test(right_for: int) -> None:
    checks = iter([True] * right_for + [False])
    with pytest.raises(AssertionError) as failed:
        everywhere(partial(Rehearsal, import_rows, 3), lambda _: next(checks))
    _, *frames = failed.traceback
    assert all(frame.locals.get("__tracebackhide__") for frame in frames)


def test_a_place_that_is_never_reached_points_at_the_line_of_the_test() -> None:
    rehearsal = Rehearsal(import_rows, 3)
    rehearsal.interrupt(after="rows")
    with pytest.raises(NeverReachedError) as failed:
        rehearsal.run()
    _, *frames = failed.traceback
    assert all(frame.locals.get("__tracebackhide__") for frame in frames)


def test_who_interrupts_a_test_is_obeyed() -> None:
    def check(rehearsal: Rehearsal) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        everywhere(partial(Rehearsal, import_rows, 3), check)


# What the kit says of itself


def test_a_rehearsal_says_how_it_went() -> None:
    rehearsal = Rehearsal(import_rows, 3)
    assert repr(rehearsal) == "<rehearsal of import_rows: None after 0 executions>"
    rehearsal.interrupt(checkpoint=1)
    rehearsal.run()
    assert repr(rehearsal) == "<rehearsal of import_rows: finished after 2 executions>"


@pytest.mark.parametrize("at_most", [0, -1])
def test_at_most_no_points_would_prove_nothing(at_most: int) -> None:
    with pytest.raises(ValueError, match="from 1: found"):
        everywhere(lambda: Rehearsal(import_rows, 3), bool, at_most=at_most)


class Lossy:
    """Knows when it is another, and does not take along what it holds."""

    def __init__(self, held: int) -> None:
        self.held = held

    def __repr__(self) -> str:
        return f"Lossy({self.held})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lossy) and other.held == self.held

    def __hash__(self) -> int:
        return hash(self.held)

    def __reduce__(self) -> tuple[Any, ...]:
        return Lossy, (0,)


def test_a_result_that_comes_back_as_another_is_told_though_nothing_was_resumed() -> None:
    @step
    def give() -> Lossy:
        return Lossy(7)

    @continuable
    def some_job() -> None:
        give()

    with pytest.raises(UnserializableError) as raised:
        Rehearsal(some_job).run()
    assert str(raised.value) == (
        "result of step 'give' does not survive the record: Lossy(7) comes back as Lossy(0)"
    )


def test_a_cursor_that_comes_back_as_another_is_told_though_nothing_was_resumed() -> None:
    @step
    def move(step: Step) -> None:
        step.set(Lossy(7))

    @continuable
    def some_job() -> None:
        move()

    with pytest.raises(
        UnserializableError, match="cursor of step 'move' does not survive the record"
    ):
        Rehearsal(some_job).run()


def test_a_pickled_result_that_its_class_does_not_compare_is_taken_as_it_is() -> None:
    @step
    def give() -> object:
        return SimpleNamespace(numbers=[1, 2], what=object)

    @continuable
    def some_job() -> object:
        return give()

    assert Rehearsal(some_job).run().outcome == "finished"

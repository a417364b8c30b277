"""The Step that user code holds: cursor, checkpoints, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest

from rq_steps import (
    InvalidStepError,
    Step,
    StepsError,
    UnadvanceableCursorError,
    UnserializableError,
    step,
)
from rq_steps.keeper import Departure
from tests.unit.memory import STOPPING, Job


@pytest.fixture
def job() -> Job:
    return Job()


class Page:
    """A cursor of one's own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Page) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    def succ(self) -> Page:
        return Page(self.number + 1)


class Size(IntEnum):
    SMALL = 1


class Kind(Enum):
    FIRST = 1


@dataclass(frozen=True)
class Point:
    x: int


# set


def test_set_moves_the_cursor_then_checkpoints(job: Job) -> None:
    seen = []

    @step
    def number(step: Step) -> None:
        seen.append(step.cursor)
        job.call()
        step.set(5)
        seen.append("not interrupted")

    assert job.execute(number).departure == STOPPING
    assert seen == [None]
    assert job.cursor == 5


def test_set_passes_where_nobody_wants_anything(job: Job) -> None:
    @step
    def number(step: Step) -> Any:
        step.set(5)
        return step.cursor

    execution = job.execute(number)
    assert execution.result == 5
    assert execution.attended_count == 0


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        0,
        -3,
        10**700,
        True,
        1.5,
        float("inf"),
        "",
        "ä\ud83d",
        b"\x00",
        (1, (2, 3)),
        [1, [2]],
        {"a": 1},
        {1: 2},
        {"$tuple": [1]},
        {1, 2},
        frozenset("ab"),
        date(2024, 2, 29),
        datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc),
        timedelta(seconds=5),
        Decimal("1.50"),
        UUID(int=5),
        Page(3),
        Size.SMALL,
        Kind.FIRST,
        Point(4),
    ],
)
def test_a_restored_cursor_equals_the_saved_one_type_included(cursor: object, job: Job) -> None:
    seen: list[Any] = []

    @step
    def number(step: Step) -> None:
        seen.append(step.cursor)
        job.call()
        step.set(cursor)

    job.execute(number)
    job.execute(number)
    assert seen == [None, cursor]
    assert type(seen[1]) is type(cursor)


def test_a_cursor_may_be_none_again(job: Job) -> None:
    seen = []

    @step(start=7)
    def number(step: Step) -> None:
        seen.append(step.cursor)
        job.call()
        step.set(None)

    job.execute(number)
    job.execute(number)
    assert seen == [7, None]


def test_a_cursor_that_cannot_be_saved_is_refused_when_it_is_set() -> None:
    job = Job(pickling=False)

    @step
    def number(step: Step) -> None:
        step.set(1)
        step.set([1, Page(2)])

    error = job.execute(number).error
    assert isinstance(error, UnserializableError)
    assert str(error).startswith("cursor of step 'number': value[1] is of type ")
    assert job.cursor == 1


def test_a_start_that_cannot_be_saved_is_refused_when_the_step_begins() -> None:
    @step(start=Page(1))
    def number() -> None:
        raise AssertionError("it may not run")

    error = Job(pickling=False).execute(number).error
    assert isinstance(error, UnserializableError)
    assert str(error).startswith("cursor of step 'number': ")


def test_the_cursor_counts_as_it_was_when_it_was_set(job: Job) -> None:
    seen: list[Any] = []

    @step
    def number(step: Step) -> None:
        seen.append(step.cursor)
        cursor = [1]
        step.set(cursor)
        cursor.append(2)
        job.call()
        step.checkpoint()

    job.execute(number)
    job.execute(number)
    assert seen == [None, [1]]


def test_a_cursor_that_is_changed_and_set_again_counts_as_it_is_then(job: Job) -> None:
    @step(start=[])
    def number(step: Step) -> None:
        for item in (1, 2):
            step.cursor.append(item)
            step.set(step.cursor)
        job.call()
        step.checkpoint()

    job.execute(number)
    assert job.cursor == [1, 2]


def test_a_cursor_that_is_changed_after_set_cannot_fail_the_step() -> None:
    @step
    def number(step: Step) -> str:
        cursor: list[Any] = [1]
        step.set(cursor)
        cursor.append(object())
        return "whole"

    execution = Job(pickling=False).execute(number)
    assert execution.error is None
    assert execution.result == "whole"


# start


def test_start_is_the_first_cursor_and_no_later_one(job: Job) -> None:
    seen = []

    @step(start=3)
    def number(step: Step) -> None:
        seen.append(step.cursor)
        job.call()
        step.set(8)

    job.execute(number)
    job.execute(number)
    assert seen == [3, 8]


def test_a_mutable_start_is_not_shared_by_the_jobs_of_a_process() -> None:
    @step(start=[])
    def number(step: Step) -> Any:
        step.cursor.append(1)
        step.set(step.cursor)
        return list(step.cursor)

    assert Job().execute(number).result == [1]
    assert Job().execute(number).result == [1]
    assert number() == [1]
    assert number() == [1]


# advance


@pytest.mark.parametrize(
    ("cursor", "successor"),
    [
        (0, 1),
        (-1, 0),
        (10**30, 10**30 + 1),
        (Size.SMALL, 2),
        (date(2024, 2, 28), date(2024, 2, 29)),
        (date(2024, 12, 31), date(2025, 1, 1)),
        (Page(3), Page(4)),
    ],
)
def test_advance_sets_the_successor(cursor: object, successor: object, job: Job) -> None:
    @step(start=cursor)
    def number(step: Step) -> Any:
        step.advance()
        of_the_cursor = step.cursor
        step.set(None)
        step.advance(from_=cursor)
        return of_the_cursor, step.cursor

    found = job.execute(number).result
    assert found == (successor, successor)
    assert isinstance(found, tuple)
    assert type(found[0]) is type(successor)


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        True,
        False,
        1.0,
        "a",
        b"a",
        (1,),
        Decimal(1),
        datetime(2024, 2, 29, tzinfo=timezone.utc),
        date.max,
        type("Odd", (), {"succ": 3})(),
    ],
)
def test_advance_without_a_successor_is_an_error(cursor: object, job: Job) -> None:
    @step
    def number(step: Step) -> None:
        step.set(cursor)
        step.advance(from_=cursor)

    error = job.execute(number).error
    assert isinstance(error, UnadvanceableCursorError)
    assert "\n" not in str(error)


def test_advance_says_what_has_no_successor(job: Job) -> None:
    @step(start="b")
    def number(step: Step) -> None:
        step.advance()

    assert str(job.execute(number).error) == (
        "'b' (str) has no successor: advance takes an int, a date, or a value with succ(); "
        "for anything else, use set"
    )


def test_advance_goes_on_from_the_value_that_it_is_given(job: Job) -> None:
    @step(start=100)
    def number(step: Step) -> Any:
        cursors = []
        for from_ in (0, 7, 3):
            step.advance(from_=from_)
            cursors.append(step.cursor)
        step.advance()
        return [*cursors, step.cursor]

    assert job.execute(number).result == [1, 8, 4, 5]


def test_advance_is_a_checkpoint(job: Job) -> None:
    @step(start=0)
    def number(step: Step) -> None:
        while step.cursor < 9:
            if step.cursor in (0, 4):
                job.call()
            step.advance()

    for cursor in (1, 5):
        assert job.execute(number).departure == STOPPING
        assert job.cursor == cursor
    assert job.execute(number).departure is None


# advanced, resumed


def test_a_step_has_advanced_when_its_cursor_has_moved(job: Job) -> None:
    @step(start=3)
    def number(step: Step) -> Any:
        found = [step.advanced]
        step.set(3)
        found.append(step.advanced)
        step.set(4)
        found.append(step.advanced)
        return found

    assert job.execute(number).result == [False, False, True]


def test_a_resumed_step_has_not_advanced_before_its_cursor_moves(job: Job) -> None:
    seen = []

    @step
    def number(step: Step) -> None:
        seen.append(step.advanced)
        job.call()
        step.set((1, 2))

    job.execute(number)
    job.execute(number)
    assert seen == [False, False]


@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("native", [True, False])
def test_a_step_has_advanced_when_an_item_is_done(kind: Callable[..., Any], native: bool) -> None:
    job, seen = Job(native=native), list[bool]()

    @step
    def visit(step: Step) -> None:
        for item in step.each(kind(range(4))):
            seen.append(step.advanced)
            if item == 1:
                job.call()
        seen.append(step.advanced)

    job.execute(visit)
    assert seen == [False, True]
    job.execute(visit)
    assert seen == [False, True, False, True, True]


def test_a_step_is_resumed_when_an_earlier_execution_began_it(job: Job) -> None:
    seen = []

    @step
    def number(step: Step) -> None:
        seen.append(step.resumed)
        job.call()
        step.checkpoint()

    job.execute(number)
    job.execute(number)
    assert seen == [False, True]


# checkpoint, save, interrupt


def test_checkpoint_leaves_where_somebody_wants_it(job: Job) -> None:
    seen = []

    @step
    def wait(step: Step) -> None:
        step.checkpoint()
        seen.append("passed")
        job.call()
        step.checkpoint()
        seen.append("not interrupted")

    assert job.execute(wait).departure == STOPPING
    assert seen == ["passed"]


def test_a_save_does_not_wait_for_the_next_checkpoint(job: Job) -> None:
    seen: list[Any] = []

    @step
    def number(step: Step) -> None:
        step.set(4)
        step.save()
        seen.append(job.cursor)

    job.execute(number)
    assert seen == [4]


@pytest.mark.parametrize("native", [True, False])
def test_save_in_the_body_of_each_keeps_the_item_in_hand(native: bool) -> None:
    job, seen = Job(native=native), list[Any]()

    @step
    def visit(step: Step) -> None:
        for _ in step.each(list("abc")):
            step.save()
            seen.append(job.cursor)

    job.execute(visit)
    assert seen == [0, 1, 2]


def test_save_leaves_where_the_job_is_somebody_elses(job: Job) -> None:
    lost = Departure("superseded", lost=True)

    @step
    def number(step: Step) -> None:
        assert job.running is not None
        job.running.lost = lost
        step.set(4)
        step.save()
        raise AssertionError("it goes on")

    assert job.execute(number).departure == lost
    assert job.cursor is None


@pytest.mark.parametrize(
    ("wait", "found"), [(0, 0.0), (2, 2.0), (0.5, 0.5), (timedelta(minutes=1), 60.0)]
)
def test_interrupt_stops_here_and_comes_back_after_the_wait(
    wait: Any, found: float, job: Job
) -> None:
    @step
    def throttled(step: Step) -> None:
        if not step.resumed:
            step.interrupt(wait, reason="rate limit")

    assert job.execute(throttled).departure == Departure("rate limit", wait=found, own=True)
    assert job.execute(throttled).departure is None


def test_interrupt_needs_neither_a_wait_nor_a_reason(job: Job) -> None:
    @step
    def throttled(step: Step) -> None:
        step.interrupt()

    assert job.execute(throttled).departure == Departure("interrupted", own=True)


@pytest.mark.parametrize("wait", [-1, float("nan"), float("inf"), timedelta(seconds=-1)])
def test_interrupt_waits_for_a_finite_time(wait: Any, job: Job) -> None:
    @step
    def throttled(step: Step) -> None:
        step.interrupt(wait)

    execution = job.execute(throttled)
    assert isinstance(execution.error, ValueError)
    assert execution.departure is None


@pytest.mark.parametrize("reason", ["", None, 5])
def test_an_interruption_without_a_reason_is_refused(reason: Any, job: Job) -> None:
    @step
    def throttled(step: Step) -> None:
        step.interrupt(reason=reason)

    execution = job.execute(throttled)
    assert isinstance(execution.error, TypeError)
    assert str(execution.error).startswith("reason must be a string that says why, found ")


def test_stopping_is_what_the_worker_says(job: Job) -> None:
    @step
    def long(step: Step) -> Any:
        assert job.running is not None
        before = step.stopping
        job.running.stopping = True
        return before, step.stopping

    assert job.execute(long).result == (False, True)


# Who it is


def test_a_step_shows_its_name_and_its_cursor(job: Job) -> None:
    @step(name="shard-3", start=5)
    def number(step: Step) -> Any:
        return step.name, repr(step)

    assert job.execute(number).result == ("shard-3", "<Step 'shard-3', cursor 5>")


# When it is over


USES: dict[str, Callable[[Step], object]] = {
    "set": lambda step: step.set(9),
    "advance": lambda step: step.advance(from_=9),
    "checkpoint": lambda step: step.checkpoint(),
    "save": lambda step: step.save(),
    "interrupt": lambda step: step.interrupt(),
    "guard": lambda step: step.guard(type("Session", (), {"in_transaction": False})()),
    "each": lambda step: list(step.each([1])),
    "each generator": lambda step: list(step.each(iter([1]))),
}


@pytest.mark.parametrize("use", sorted(USES))
def test_a_step_that_is_over_is_of_no_use_any_more(use: str, job: Job) -> None:
    held: list[Step] = []

    @step(start=4)
    def first(step: Step) -> None:
        held.append(step)

    @step
    def second() -> None:
        USES[use](held[0])

    def both() -> None:
        first()
        second()

    error = job.execute(both).error
    assert isinstance(error, InvalidStepError)
    assert str(error) == "step 'first' is over: its Step is of no use any more"
    assert job.names == ["first"]
    with pytest.raises(InvalidStepError, match="is over"):
        USES[use](held[0])


@pytest.mark.parametrize("kind", [list, iter])
def test_a_step_that_is_over_can_still_be_read(kind: Callable[..., Any], job: Job) -> None:
    held: list[Step] = []

    @step
    def visit(step: Step) -> None:
        held.append(step)
        for item in step.each(kind(range(5))):
            if item == 3:
                break

    job.execute(visit)
    over = held[0]
    assert (over.name, over.cursor, over.advanced, over.resumed) == ("visit", 3, True, False)
    assert not over.stopping
    assert repr(over) == "<Step 'visit', cursor 3>"


# Outside a continuable


def test_a_step_outside_a_continuable_is_never_interrupted() -> None:
    @step(start=0)
    def number(step: Step) -> Any:
        step.advance()
        step.checkpoint()
        step.save()
        step.interrupt(5)
        return step.cursor, step.resumed, step.stopping

    assert number() == (1, False, False)


def test_a_step_outside_a_continuable_has_the_same_rules() -> None:
    @step
    def number(step: Step) -> None:
        step.set(1)
        step.each([1])

    with pytest.raises(InvalidStepError, match="each beside set and advance"):
        number()


def test_every_error_of_a_step_is_a_steps_error() -> None:
    for error in (InvalidStepError, UnadvanceableCursorError, UnserializableError):
        assert issubclass(error, StepsError)

"""When an execution leaves, so that the job timeout does not cut an item in half."""

from __future__ import annotations

from math import inf

import pytest

from rq_steps.slices import Slices


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def items_done(clock: Clock, seconds: float, timeout: float, *, began_before: float = 0) -> int:
    """How many items that take so long are done, until the execution leaves or is cut."""
    began = clock.now - began_before
    slice_ = Slices(timeout, began, clock)
    done = 0
    while True:
        called_at = slice_.next_look
        clock.now += seconds
        if clock.now >= began + timeout:
            raise AssertionError(f"cut in the item after {done}")
        done += 1
        if clock.now >= called_at:
            slice_.attended(called_at)
        if clock.now >= slice_.end:
            return done


@pytest.mark.parametrize(
    ("seconds", "timeout", "expected"),
    [
        (2.1, 4, 1),
        (1.5, 4, 2),
        (1.0, 4, 3),
        (50, 180, 3),
        (3.9, 4, 1),
    ],
)
def test_no_item_is_begun_that_would_not_end_in_time(
    clock: Clock, seconds: float, timeout: float, expected: int
) -> None:
    assert items_done(clock, seconds, timeout) == expected


def test_of_short_items_nearly_all_of_the_time_is_used(clock: Clock) -> None:
    assert items_done(clock, 0.01, 4) == pytest.approx(3.8 / 0.01, abs=1)


def test_what_went_by_before_the_continuable_began_counts(clock: Clock) -> None:
    assert items_done(clock, 0.5, 4, began_before=2) == 3


@pytest.mark.parametrize("timeout", [None, -1, 0])
def test_without_a_timeout_an_execution_need_not_leave(clock: Clock, timeout: float | None) -> None:
    slice_ = Slices(timeout, clock.now, clock)
    clock.now += 10**9
    slice_.attended(clock.now - 1)
    assert slice_.end == inf
    assert slice_.next_look == inf


def test_however_long_an_item_took_no_execution_leaves_before_half_of_its_timeout(
    clock: Clock,
) -> None:
    began = clock.now
    slice_ = Slices(100, began, clock)
    called_at = slice_.next_look
    clock.now += 90
    slice_.attended(called_at)
    assert slice_.end == began + 50

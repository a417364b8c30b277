"""How an execution ends, and when the job comes back: on a clock that nobody has to wait for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from rq_steps import Step, continuable, step
from rq_steps.testing import Rehearsal


@step
def rows(step: Step, count: int) -> None:
    for _ in step.each(range(count)):
        pass


def job(**options: Any) -> Callable[..., None]:
    return continuable(**options)(import_rows)


def import_rows(count: int) -> None:
    rows(count)


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({"error_wait": 7}, [7, 7, 7]),
        ({"error_wait": timedelta(minutes=2)}, [120, 120]),
        ({"error_wait": [1, timedelta(seconds=10), 100.5]}, [1, 10, 100.5, 100.5, 100.5]),
        ({}, [5, 5]),
    ],
)
def test_the_nth_error_of_a_run_is_resumed_after_the_nth_error_wait_and_the_last_repeats(
    options: dict[str, Any], waits: list[float]
) -> None:
    rehearsal = Rehearsal(job(**options), 20)
    for number in range(1, len(waits) + 1):
        rehearsal.fail(RuntimeError("out of order"), during="rows", cursor=2 * number)
    *errored, finished = rehearsal.run().executions
    assert [(each.outcome, each.wait) for each in errored] == [("errored", wait) for wait in waits]
    assert finished.record["errors"] == len(waits)


def test_without_max_resumptions_there_is_no_limit() -> None:
    rehearsal = Rehearsal(job(), 30)
    for row in range(1, 30):
        rehearsal.interrupt(during="rows", cursor=row)
    rehearsal.run()
    assert [each.cursor for each in rehearsal.executions] == [*range(1, 30), None]
    assert rehearsal.record["resumptions"] == 29


def file_that_comes_after(looks: int, name: str = "a file") -> Callable[[], None]:
    """A step that waits for a file."""
    number = count()

    @step(name=name)
    def waiting_for_a_file(step: Step) -> None:
        if next(number) < looks:
            step.interrupt(reason="no file yet")

    return waiting_for_a_file


def test_interrupts_again_and_again_without_progress_back_off_by_themselves() -> None:
    wait_for_a_file = file_that_comes_after(9)
    rehearsal = Rehearsal(continuable(lambda: wait_for_a_file())).run()
    *waiting, finished = [each.wait for each in rehearsal.executions]
    assert (waiting, finished) == ([0, 1, 3, 7, 15, 31, 60, 60, 60], 0)


def test_an_interrupt_after_progress_does_not_back_off() -> None:
    """And what came before the progress is forgotten."""
    wait_for_a_file = file_that_comes_after(4)
    wait_for_another = file_that_comes_after(3, "another")

    @continuable
    def job() -> None:
        wait_for_a_file()
        rows(1)
        wait_for_another()

    rehearsal = Rehearsal(job).run()
    assert [each.wait for each in rehearsal.executions] == [0, 1, 3, 7, 0, 0, 1, 0]

"""The jobs of these tests. What they do is kept here, since they run in the test's own process."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from rq_steps import Step, continuable, step
from tests.rails.scene import in_hand

BOOKS = [123, 432, 6565, 3243, 234, 13, 22]

done: list[object] = []
"""What was done, in order."""

stock: list[str] = []
"""What is still to be thrown away."""

plan: list[str] = []
"""The steps of `follow_plan`, as its code is at the time."""


@step
def stamp(step: Step) -> None:
    """The cursor is the least number that is still to be stamped."""
    for number in sorted(BOOKS):
        if step.cursor is None or number >= step.cursor:
            in_hand(step, number)
            done.append(number)
            step.advance(from_=number)


@continuable(error_wait=0)
def stamp_books() -> None:
    stamp()


@step
def first() -> None:
    done.append("first")


@step
def second() -> None:
    done.append("second")


@step
def third() -> None:
    done.append("third")


@step
def fourth() -> None:
    done.append("fourth")


@continuable
def four_steps() -> None:
    first()
    second()
    third()
    fourth()


@step
def throw_away(step: Step) -> None:
    """There is no cursor: what has been done is gone."""
    while stock:
        in_hand(step, stock[0])
        del stock[0]
        step.checkpoint()


@continuable(error_wait=0)
def clear_out() -> None:
    throw_away()


@step
def note(step: Step) -> None:
    done.append(step.name)


@continuable
def follow_plan() -> None:
    for name in plan:
        note.with_options(name=name)()


@continuable
def four_steps_some_isolated(isolated: Iterable[str]) -> None:
    for name in ("first", "second", "third", "fourth"):
        note.with_options(name=name, isolated=name in isolated)()


@continuable
def step_in_a_step() -> None:
    @step
    def outer() -> None:
        first()

    outer()


@step
def move(step: Step, from_: Any) -> None:
    step.advance(from_=from_)


@continuable
def move_once(start: Any, from_: Any) -> None:
    move.with_options(start=start)(from_)


@step(start=[0, 0])
def polish(step: Step, rows: list[list[str]]) -> None:
    """The cursor is a place of two parts, row and column."""
    row, column = step.cursor
    while row < len(rows):
        while column < len(rows[row]):
            in_hand(step, (row, column))
            done.append(rows[row][column])
            column += 1
            step.set([row, column])
        row, column = row + 1, 0
        step.set([row, column])


@continuable
def polish_rows(rows: list[list[str]]) -> None:
    polish(rows)


@step
def collect(step: Step, objects: list[object]) -> None:
    for thing in step.each(objects):
        in_hand(step, step.cursor)
        done.append(thing)


@continuable
def collect_all(objects: list[object]) -> None:
    collect(objects)


@step(start=0)
def count(step: Step, end: int) -> None:
    while step.cursor < end:
        in_hand(step, step.cursor)
        done.append(step.cursor)
        step.advance()


@continuable(max_resumptions=2, error_wait=0)
def count_in_at_most_three_executions(end: int) -> None:
    count(end)


@continuable(resume_errors=False, error_wait=0)
def count_without_resuming_errors(end: int) -> None:
    count(end)


@continuable(resume_queue="other", resume_wait=8)
def count_on_another_queue_later(end: int) -> None:
    count(end)


@step(start=0)
def count_until_paused(step: Step, end: int) -> None:
    for number in range(step.cursor, end):
        done.append(number)
        step.advance()
        if number == 1:
            step.interrupt(reason="queue_paused")


@continuable
def count_and_pause(end: int) -> None:
    count_until_paused(end)


class Bookmark:
    """A cursor of the user's own, which is pickled."""

    def __init__(self, page: int) -> None:
        self.page = page


@step
def read_up_to(step: Step, end: date) -> None:
    """Notes where it begins, and goes to the end at once."""
    in_hand(step, end)
    done.append(step.cursor)
    if not step.resumed:
        step.set(end)


@continuable
def read_up_to_day(end: date) -> None:
    read_up_to(end)


@step
def lay_bookmark(step: Step, page: int) -> None:
    in_hand(step, page)
    step.set(Bookmark(page))


@continuable
def lay_bookmark_at(page: int) -> None:
    lay_bookmark(page)


def note_failure(_job: Any, _connection: Any, kind: type, error: BaseException, _tb: Any) -> None:
    """A failure callback."""
    done.append(f"{kind.__name__}: {error}")

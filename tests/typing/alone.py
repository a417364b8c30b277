"""What type checkers have to see where nothing is installed that a step may go over, nor RQ itself.
It is never run."""

import sqlite3
from typing import Any

from typing_extensions import assert_type

from rq_steps import Step, continuable, step
from rq_steps.sources import Source, batches, query, queryset, rows


@step
def numbers(step: Step, end: int) -> int:
    for number in step.each(range(end)):
        assert_type(number, int)
    for batch in step.each(batches(["x"], 2)):
        assert_type(batch, list[str])
    return end


@step
def books(step: Step, connection: sqlite3.Connection) -> None:
    source = query("SELECT id FROM books", connection, key="id")
    assert_type(source, Source[Any])
    for book in step.each(source):
        assert_type(book, Any)


def unknown(select: Any, engine: Any, of_django: Any) -> None:
    assert_type(rows(select, engine), Source[Any])
    assert_type(queryset(of_django), Source[Any])


@continuable
def process(end: int) -> int:
    return numbers(end)


assert_type(process(3), int)

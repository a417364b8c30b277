"""A job's record as seen from outside: `rq_steps.head`."""

from __future__ import annotations

from rq_steps.head import after_death, completed_count, goes_to_front, is_finished, unfinished
from rq_steps.record import Completed, Record, Run

RUN = Run("2024-02-29T01:02:03.000004Z", 2)


def test_the_head_tells_how_many_completed_steps_belong_to_it() -> None:
    assert completed_count(Record(RUN, [Completed("a", 1), Completed("b", 2)]).head()) == 2
    assert completed_count(Record(RUN).head().encode()) == 0


def test_the_head_tells_where_the_job_goes_when_its_wait_is_over() -> None:
    assert goes_to_front(Record(RUN, front=True).head())
    assert not goes_to_front(Record(RUN, front=False).head())
    assert not goes_to_front(None)


def test_a_run_that_is_to_go_on_is_unfinished_and_otherwise_as_it_was() -> None:
    finished = Record(RUN, executions=3, runtime=1.5, error="Ä", finished=True)
    read = Record.load(unfinished(finished.head()), [])
    assert read == Record(RUN, executions=3, runtime=1.5, error="Ä", finished=False)


def test_a_job_that_died_is_unfinished_and_goes_to_the_front() -> None:
    """Also where an error had sent it to the back, or where it died over its result."""
    death = after_death(Record(RUN, front=False, finished=True).head(), RUN)
    assert goes_to_front(death.head)
    assert not is_finished(death.head)

"""Without a worker a job runs at once, and straight through: nobody would resume it."""

from __future__ import annotations

import pytest
from redis import Redis
from rq import Callback, Queue

from rq_steps.store import HEAD
from tests.processes import jobs, restless
from tests.processes.course import Course
from tests.processes.restless import work_once


@pytest.fixture
def synchronous(connection: Redis) -> Queue:
    return Queue(is_async=False, connection=connection)


def test_a_continuable_runs_straight_through(synchronous: Queue, course: Course) -> None:
    job = synchronous.enqueue(jobs.import_rows, 3)
    assert job.is_finished
    assert job.return_value() == "3 rows"
    assert course.visited == ["0", "1", "2", "report"]


def test_isolated_steps_run_in_the_same_execution(synchronous: Queue, course: Course) -> None:
    assert synchronous.enqueue(jobs.isolated).is_finished
    assert course.visited == ["before", "alone", "after"]


def test_a_step_that_interrupts_itself_goes_on(synchronous: Queue, course: Course) -> None:
    assert synchronous.enqueue(jobs.patient, 3600).is_finished
    assert course.visited == ["first"]


def test_an_error_fails_the_job_as_rq_does(synchronous: Queue, connection: Redis) -> None:
    job = synchronous.enqueue(jobs.failing_once, on_failure=Callback(restless.note_failure))
    assert job.is_failed
    assert connection.lrange("called", 0, -1) == [f"failure {job.id}".encode()]


def test_no_record_is_kept(synchronous: Queue, connection: Redis) -> None:
    job = synchronous.enqueue(jobs.import_rows, 3)
    assert not connection.hexists(job.key, HEAD)
    assert job.get_meta() == {}


def test_a_continuable_that_a_step_runs_as_a_job_of_its_own_has_steps_of_its_own(
    queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(jobs.around)
    work_once(connection)
    assert job.return_value() == "True: 2 rows"
    assert course.visited == ["0", "1", "report"]


def test_a_job_that_is_performed_without_a_worker_runs_straight_through(
    queue: Queue, connection: Redis, course: Course
) -> None:
    """As some test suites do: nobody has started it, and nobody would resume it."""
    job = queue.enqueue(jobs.isolated)
    job.perform()
    assert course.visited == ["before", "alone", "after"]
    assert not connection.hexists(job.key, HEAD)

"""Workers of both kinds side by side, and code that becomes a continuable or ceases to be one."""

from __future__ import annotations

import functools

import pytest
import rq.worker
from redis import Redis
from rq import Queue
from rq.decorators import job as rq_job
from rq.results import Result

import rq_steps
from rq_steps import continuable
from tests.processes import jobs
from tests.processes.course import Course, wait_until_told_to_stop
from tests.processes.restless import work_once
from tests.workers import Workers

OURS = rq_steps.SimpleWorker
STOCK = rq.worker.SimpleWorker


@pytest.mark.parametrize("fleet", [[OURS, STOCK] * 2, [STOCK, OURS] * 2, [STOCK] * 4])
def test_a_job_travels_between_our_workers_and_stock_ones(
    fleet: list[type[rq.worker.BaseWorker]], queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(jobs.travelling)
    for number, worker_class in enumerate(fleet):
        assert course.visited == [str(each) for each in range(number)]
        work_once(connection, worker_class=worker_class)
    assert job.return_value() == "arrived"
    assert course.visited == ["0", "1", "2", "3"]


def test_only_a_stock_worker_counts_an_interruption_as_a_retry(
    queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(jobs.travelling)
    assert "failed_job_count" not in work_once(connection, worker_class=OURS)
    assert work_once(connection, worker_class=STOCK)["failed_job_count"] == "1"
    job.refresh()
    assert job.number_of_retries == 1
    assert [result.type for result in job.results()] == [Result.Type.RETRIED]


@pytest.mark.parametrize(
    ("first", "second"), [("rq_steps.Worker", "rq.Worker"), ("rq.Worker", "rq_steps.Worker")]
)
def test_a_job_goes_on_where_it_was_on_a_worker_of_the_other_kind(
    first: str, second: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows_saving_all, 4)
    course.hold_at(1)
    old = worker(worker_class=first)
    course.wait_at(1)
    old.terminate_tree()
    wait_until_told_to_stop(job)
    course.go_on()
    assert old.wait() == 0
    new = worker(worker_class=second, burst=True)
    assert new.wait() == 0
    assert job.return_value() == "4 rows"
    assert course.visited_by(old.name) == ["0", "1"]
    assert course.visited_by(new.name) == ["2", "3", "report"]


def test_a_job_that_was_enqueued_before_its_function_became_a_continuable_is_one(
    queue: Queue, connection: Redis, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.enqueue(jobs.changing)
    monkeypatch.setattr(jobs, "changing", continuable(jobs.changing))
    work_once(connection)
    assert job.is_queued
    work_once(connection)
    assert job.return_value() == "changed"
    assert course.visited == ["0", "1"]


def test_a_job_whose_function_is_no_continuable_any_more_begins_anew(
    queue: Queue, connection: Redis, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "changing", continuable(jobs.changing))
    job = queue.enqueue(jobs.changing)
    work_once(connection)
    monkeypatch.setattr(jobs, "changing", jobs.changed)
    work_once(connection)
    assert job.return_value() == "changed"
    assert course.visited == ["0", "0", "1"]


@pytest.mark.parametrize("by_name", [True, False])
def test_the_job_decorator_of_rq_stacks_over_continuable(
    by_name: bool, queue: Queue, connection: Redis, course: Course
) -> None:
    """django-rq's own, without a queue, is RQ's with the queue `default`."""
    decorated = rq_job("default" if by_name else queue, connection=connection)(jobs.calm)
    job = decorated.delay()
    work_once(connection)
    assert job.is_queued
    work_once(connection)
    assert job.is_finished
    assert course.visited == ["0", "1"]


def test_a_continuable_below_a_decorator_of_ones_own_is_interrupted(
    queue: Queue, connection: Redis, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = jobs.calm

    @functools.wraps(inner)
    def decorated() -> None:
        inner()

    monkeypatch.setattr(jobs, "calm", decorated)
    job = queue.enqueue(jobs.calm)
    work_once(connection)
    assert job.is_queued
    work_once(connection)
    assert job.is_finished
    assert course.visited == ["0", "1"]


def test_a_continuable_in_a_partial_is_interrupted(
    queue: Queue, connection: Redis, course: Course
) -> None:
    """RQ pickles it, as an object of the user's own."""
    job = queue.enqueue(functools.partial(functools.partial(jobs.travelling)))
    for number in range(4):
        assert course.visited == [str(each) for each in range(number)]
        work_once(connection, worker_class=OURS)
    assert job.return_value() == "arrived"


class Inner:
    """An object that is called."""

    @continuable
    def __call__(self) -> None:
        jobs.two(jobs.stop)


def test_a_continuable_that_an_object_is_called_by_is_interrupted(
    queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(Inner())
    work_once(connection)
    assert job.is_queued
    work_once(connection)
    assert job.is_finished
    assert course.visited == ["0", "1"]

"""Where an interrupted job comes back: on which queue, at its front or its back."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

import rq_steps
from tests.processes import jobs, restless
from tests.processes.course import Course
from tests.processes.restless import work_once
from tests.workers import wait_until

FRONT = ["stopping", "isolated"]
BACK = ["own", "error"]


@pytest.mark.parametrize("way", FRONT)
def test_a_job_that_held_a_worker_already_comes_back_at_the_front(
    way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way)
    other = queue.enqueue(jobs.plain, 0)
    work_once(connection)
    assert queue.job_ids == [job.id, other.id]


@pytest.mark.parametrize("way", BACK)
def test_a_job_that_had_its_turn_comes_back_at_the_back(
    way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way)
    other = queue.enqueue(jobs.plain, 0)
    work_once(connection)
    assert queue.job_ids == [other.id, job.id]


@pytest.mark.parametrize("function", [jobs.limited_by_max_runtime, jobs.limited_by_the_job_timeout])
def test_a_job_whose_time_is_up_comes_back_at_the_back(
    function: Any, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(function, job_timeout=1)
    other = queue.enqueue(jobs.plain, 0)
    work_once(connection)
    assert queue.job_ids == [other.id, job.id]


@pytest.mark.parametrize(
    ("function", "front"), [(jobs.patiently_stopped, True), (jobs.patiently_failing, False)]
)
def test_a_job_that_waited_comes_back_where_it_would_have_without_the_wait(
    function: Any, front: bool, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(function)
    other = queue.enqueue(jobs.plain, 0)
    work_once(connection)
    assert job.get_status() == "scheduled"
    promote(queue, job)
    assert queue.job_ids == ([job.id, other.id] if front else [other.id, job.id])


def promote(queue: Queue, job: Job) -> None:
    """Have an idle worker look for waits that are over, until it finds this one."""
    worker = rq_steps.Worker([queue], connection=queue.connection)
    worker.promotion_interval = 0

    def promoted() -> bool:
        worker.heartbeat()
        return job.get_status() == "queued"

    wait_until(promoted, "the wait of the job does not end")
    queue.connection.delete(worker.key)


@pytest.mark.parametrize("function", [jobs.elsewhere, jobs.elsewhere_later])
def test_a_job_is_resumed_on_the_queue_that_it_names(
    function: Any, queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(function, job_timeout=77)
    queue.intermediate_queue.set_first_seen(job.id)
    work_once(connection)
    elsewhere = Queue("elsewhere", connection=connection)
    assert queue.intermediate_queue.get_first_seen(job.id) is None
    if function is jobs.elsewhere_later:
        promote(elsewhere, job)
    assert (queue.job_ids, elsewhere.job_ids) == ([], [job.id])
    assert elsewhere in Queue.all(connection)
    job.refresh()
    assert (job.origin, job.timeout) == ("elsewhere", 77)
    work_once(connection, "elsewhere")
    assert course.visited == ["0", "1"]
    assert job.is_finished
    assert job.id in elsewhere.finished_job_registry


def test_a_job_of_two_queues_is_interrupted_as_one_of_one_queue(
    queue: Queue, connection: Redis
) -> None:
    """RQ takes it off another way, without an intermediate queue."""
    job = queue.enqueue(restless.restless, "stopping")
    work_once(connection, "high", "default")
    assert queue.job_ids == [job.id]


@pytest.mark.parametrize("function", [jobs.patiently_stopped, jobs.patiently_failing])
def test_neither_the_job_nor_its_dependents_expire_when_its_wait_is_over(
    function: Any, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(function, ttl=3600)
    queue.enqueue(jobs.plain, 0, depends_on=job)
    work_once(connection)
    promote(queue, job)
    assert (connection.ttl(job.key), connection.ttl(job.dependents_key)) == (-1, -1)

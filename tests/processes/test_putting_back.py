"""The transaction that puts a job back, and what it does when somebody else writes meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
import rq.worker
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.scheduler import RQScheduler
from rq.utils import as_text

import rq_steps
from rq_steps.store import CLAIM
from tests.processes import jobs, restless
from tests.processes.course import Course
from tests.processes.restless import status, work_once
from tests.workers import wait_until


class Disturbed(rq_steps.SimpleWorker):
    """Somebody writes to the job just before the transaction is over, once."""

    job: Job

    def increment_total_working_time(self, *args: Any) -> None:
        super().increment_total_working_time(*args)
        if self.connection.setnx("disturbed", 1):
            self.disturb()

    def disturb(self) -> None:
        self.connection.hset(self.get_job_key(), "note", "written meanwhile")

    def get_job_key(self) -> str:
        (key,) = map(as_text, self.connection.keys("rq:job:*"))
        return key


class Canceling(Disturbed):
    def disturb(self) -> None:
        job_id = self.get_job_key().removeprefix("rq:job:")
        Job.fetch(job_id, self.connection).cancel()


class Superseding(Disturbed):
    def disturb(self) -> None:
        self.connection.hset(self.get_job_key(), CLAIM, "another execution")


class Deleting(Disturbed):
    def disturb(self) -> None:
        self.connection.delete(self.get_job_key())


def test_a_transaction_that_was_disturbed_is_tried_again(queue: Queue, connection: Redis) -> None:
    job = queue.enqueue(restless.restless, "own")
    booked = work_once(connection, worker_class=Disturbed)
    assert connection.exists("disturbed")
    assert connection.hget(job.key, "note") == b"written meanwhile"
    assert queue.job_ids == [job.id]
    assert job.get_executions() == []
    assert connection.keys("rq:execution*") == []
    assert job.id not in queue.started_job_registry
    assert 0 < float(booked["total_working_time"]) < 10


def test_a_job_that_is_canceled_at_the_last_moment_is_not_put_back(
    queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, "own")
    work_once(connection, worker_class=Canceling)
    assert (queue.job_ids, status(job)) == ([], "canceled")
    assert connection.keys("rq:execution*") == []


def test_a_job_that_another_execution_has_claimed_at_the_last_moment_is_left_to_it(
    queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, "own")
    work_once(connection, worker_class=Superseding)
    assert (queue.job_ids, status(job)) == ([], "started")
    assert connection.hget(job.key, CLAIM) == b"another execution"


def test_a_job_that_is_deleted_at_the_last_moment_is_not_put_back(
    queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, "own")
    work_once(connection, worker_class=Deleting)
    assert (queue.job_ids, Job.exists(job.id, connection)) == ([], False)
    assert connection.keys("rq:execution*") == []


@pytest.mark.parametrize("worker_class", [rq_steps.SimpleWorker, rq.worker.SimpleWorker])
def test_dependents_do_not_expire_although_rq_has_enqueued_the_job_again(
    worker_class: type[rq.worker.BaseWorker], queue: Queue, connection: Redis, course: Course
) -> None:
    """RQ's scheduler arms the job's ttl on them, and so does the retry of a stock worker."""
    job = queue.enqueue(jobs.anxious, ttl=3600)
    queue.enqueue(jobs.plain, 0, depends_on=job)
    work_once(connection, worker_class=worker_class)
    end_wait_as_rq_does(queue)
    assert connection.ttl(job.dependents_key) > 0
    work_once(connection)
    assert course.visited == ["-1", "-1"]
    assert job.is_finished


def end_wait_as_rq_does(queue: Queue) -> None:
    scheduler = RQScheduler([queue], connection=queue.connection)
    scheduler.acquire_locks()

    def enqueued() -> bool:
        scheduler.enqueue_scheduled_jobs()
        return bool(queue.job_ids)

    wait_until(enqueued, "RQ's scheduler does not enqueue the job")
    scheduler.release_locks()

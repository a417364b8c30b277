"""Waits end without RQ's scheduler: on idle workers and on busy ones, and beside one that runs."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from math import inf

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from rq.scheduler import RQScheduler

import rq_steps
from tests.processes import jobs
from tests.processes.course import FORKING, OURS, Course, wait_until_finished
from tests.processes.restless import status, work_once
from tests.workers import Workers, wait_until


class NotLooking(rq_steps.SimpleWorker):
    """Ends no waits."""

    promotion_interval = inf


def waiting_jobs(queue: Queue, seconds: float, *, count: int = 1) -> list[Job]:
    """Jobs that have been interrupted, and are to be back after so many seconds."""
    waiting = [queue.enqueue(jobs.patient, seconds) for _ in range(count)]
    for _ in waiting:
        work_once(queue.connection, queue.name, worker_class=NotLooking)
    assert all(status(job) == "scheduled" for job in waiting)
    return waiting


@pytest.mark.parametrize("worker_class", OURS)
def test_an_idle_worker_ends_a_wait(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.patient, 0.2)
    worker(worker_class=worker_class)
    wait_until_finished(job)
    assert course.visited == ["first", "second"]


@pytest.mark.parametrize("worker_class", FORKING)
def test_a_busy_worker_ends_the_waits_of_others(
    worker_class: str, worker: Workers, connection: Redis, queue: Queue, course: Course
) -> None:
    course.hold_at(0)
    queue.enqueue(jobs.plain, 1)
    worker("default", "low", worker_class=worker_class, args=["--job-monitoring-interval", "1"])
    course.wait_at(0)
    (job,) = waiting_jobs(Queue("low", connection=connection), 0.001)
    wait_until(lambda: status(job) == "queued", "the wait does not end")
    assert course.visited == ["0", "first"]


def test_a_wait_is_not_ended_before_its_time(queue: Queue, connection: Redis) -> None:
    (job,) = waiting_jobs(queue, 3600)
    look(queue)
    assert status(job) == "scheduled"


def test_however_many_workers_look_a_job_is_enqueued_once(
    queue: Queue, connection: Redis, redis_url: str
) -> None:
    waiting = waiting_jobs(queue, 0.001, count=30)
    start = threading.Barrier(3)

    def look() -> None:
        with Redis.from_url(redis_url) as own:
            worker = rq_steps.Worker(["default"], connection=own)
            worker.promotion_interval = 0
            start.wait()
            while queue.count < len(waiting):
                worker.heartbeat()

    threads = [threading.Thread(target=look) for _ in range(start.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(queue.job_ids) == sorted(job.id for job in waiting)


def test_beside_rqs_scheduler_a_wait_ends_once_and_leaves_no_trace(
    worker: Workers, queue: Queue, connection: Redis, course: Course
) -> None:
    worker(args=["--with-scheduler"])
    wait_until(lambda: queue.scheduler_pid, "no scheduler")
    job = queue.enqueue(jobs.patient, 0.2)
    wait_until_finished(job)
    assert course.visited == ["first", "second"]
    registry = ScheduledJobRegistry(queue=queue)
    wait_until(lambda: not connection.keys(f"{registry.key}*"), "a trace of the wait is left")


def test_where_rqs_scheduler_runs_the_end_of_a_wait_is_left_to_it(
    queue: Queue, connection: Redis
) -> None:
    """It does not look whether somebody else has just enqueued the job."""
    scheduler = RQScheduler([queue], connection=connection)
    scheduler.acquire_locks()
    if hasattr(scheduler, "register_birth"):  # since RQ 2.10
        scheduler.register_birth()
    (job,) = waiting_jobs(queue, 0.001)
    look_until_after(queue, due_of(job))
    assert status(job) == "scheduled"
    scheduler.release_locks()
    look(queue)
    assert status(job) == "queued"


def look(queue: Queue) -> None:
    """Have a worker look once for waits that are over."""
    rq_steps.Worker([queue], connection=queue.connection).heartbeat()


def due_of(job: Job) -> float:
    """When its wait is over, by Redis' clock."""
    registry = ScheduledJobRegistry(job.origin, job.connection)
    due = job.connection.zscore(registry.key, job.id)
    assert due is not None
    return due


def look_until_after(queue: Queue, due: float) -> None:
    """Have a worker look for waits that are over, until this one is."""

    def looked() -> bool:
        seconds, microseconds = queue.connection.time()
        look(queue)
        return seconds + microseconds / 1_000_000 > due

    wait_until(looked, "time does not pass")


def test_a_wait_ends_for_a_job_that_was_scheduled_behind_others_of_rqs_own(
    queue: Queue, connection: Redis
) -> None:
    """Where no scheduler runs, they stay where they are."""
    (job,) = waiting_jobs(queue, 0.001)
    others = {f"other-{number}": float(number) for number in range(200)}
    connection.zadd(ScheduledJobRegistry(queue=queue).key, others)
    look_until_after(queue, due_of(job))
    assert status(job) == "queued"
    assert ScheduledJobRegistry(queue=queue).count == len(others)


@pytest.mark.parametrize("change", ["cancel", "delete", "requeue", "schedule"])
def test_a_job_that_somebody_took_out_of_its_wait_is_not_enqueued(
    change: str, queue: Queue, connection: Redis
) -> None:
    (job,) = waiting_jobs(queue, 0.001)
    due = due_of(job)
    if change == "cancel":
        job.cancel()
    elif change == "delete":
        job.delete()
    elif change == "requeue":
        ScheduledJobRegistry(queue=queue).remove(job)
        queue.enqueue_job(job)
    else:
        queue.schedule_job(job, datetime.now(timezone.utc) + timedelta(days=1))
    before = queue.job_ids
    look_until_after(queue, due)
    assert queue.job_ids == before


def test_an_idle_worker_may_still_end_by_itself(worker: Workers) -> None:
    """It wakes up more often than RQ's does, and counts its idle time all the same."""
    assert worker(args=["--max-idle-time", "1"]).wait() == 0


def test_on_a_stock_worker_a_job_does_not_wait_for_a_scheduler_that_does_not_run(
    worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.patient, 3600)
    stock = worker(worker_class="rq.Worker", burst=True)
    assert stock.wait() == 0
    assert job.is_finished
    assert course.visited == ["first", "second"]
    assert stock.output.count("resumes without a wait, since no scheduler runs") == 1


def test_on_a_stock_worker_a_job_waits_where_a_scheduler_runs(
    worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.patient, 3600)
    stock = worker(worker_class="rq.Worker", args=["--with-scheduler"])
    wait_until(lambda: status(job) == "scheduled", "the job does not wait")
    assert course.visited == ["first"]
    assert "resumes without a wait" not in stock.output

"""What a worker, a pool and a plain job do when they are told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.command import send_stop_job_command
from rq.scheduler import RQScheduler
from rq.suspension import suspend

import rq_steps
from tests.processes import jobs, restless
from tests.processes.course import (
    FORKING,
    OURS,
    OVER_OTHERS,
    STOCK_FORKING,
    Course,
    wait_until_finished,
    wait_until_told_to_stop,
)
from tests.processes.restless import own_handlers
from tests.workers import Workers, wait_until

ALL = ["0", "1", "2", "report"]


@pytest.mark.parametrize("worker_class", ["rq_steps.Worker", "rq_steps.SimpleWorker"])
def test_a_terminated_pool_interrupts_its_jobs(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows, 3)
    course.hold_at(1)
    pool = worker.pool(size=2, worker_class=worker_class)
    course.wait_at(1)
    pool.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert pool.wait() == 0
    assert job.get_status() == "queued"
    assert worker.pool(size=2, worker_class=worker_class, burst=True).wait() == 0
    assert job.return_value() == "3 rows"
    assert course.visited == ALL


def test_a_terminated_tree_of_a_pool_interrupts_its_jobs(
    worker: Workers, queue: Queue, course: Course
) -> None:
    first, second = (queue.enqueue(jobs.import_rows, 3) for _ in range(2))
    course.hold_at(1)
    pool = worker.pool(size=2)
    wait_until(lambda: course.visited.count("1") == 2, "no two jobs at once")
    pool.terminate_tree()
    for job in (first, second):
        wait_until_told_to_stop(job)
        course.go_on()
    assert pool.wait() == 0
    assert {first.get_status(), second.get_status()} == {"queued"}
    assert worker(burst=True).wait() == 0
    assert [job.return_value() for job in (first, second)] == ["3 rows", "3 rows"]
    assert sorted(course.visited) == sorted(ALL * 2)


@pytest.mark.parametrize("worker_class", [*OURS, *OVER_OTHERS])
def test_a_plain_job_is_finished_before_its_worker_stops(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.plain, 3)
    course.hold_at(1)
    running = worker(worker_class=worker_class)
    course.wait_at(1)
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert running.wait() == 0
    assert job.return_value() == 3
    assert course.visited == ["0", "1", "2"]


# Under HerokuWorker they ignore it, as its work-horses do.
@pytest.mark.parametrize("worker_class", [*FORKING, *STOCK_FORKING])
@pytest.mark.parametrize("function", [jobs.plain_with_a_child, jobs.import_with_a_child])
def test_the_processes_that_a_job_starts_end_on_sigterm_as_they_do_elsewhere(
    function: Callable[[], int], worker_class: str, worker: Workers, queue: Queue
) -> None:
    job = queue.enqueue(function)
    assert worker(worker_class=worker_class, burst=True).wait() == 0
    assert job.return_value() == -signal.SIGTERM


@pytest.mark.parametrize("worker_class", FORKING)
def test_a_plain_job_survives_sigterm_to_the_whole_tree(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    """On RQ's own workers it dies at once, and counts as failed."""
    job = queue.enqueue(jobs.plain, 3)
    course.hold_at(1)
    running = worker(worker_class=worker_class)
    course.wait_at(1)
    running.terminate_tree()
    wait_until_told_to_stop(job)
    course.go_on()
    assert running.wait() == 0
    assert job.return_value() == 3


@pytest.mark.parametrize("worker_class", OURS)
def test_a_step_sees_that_its_worker_is_stopping(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.watchful)
    course.hold_at("watching")
    running = worker(worker_class=worker_class)
    course.wait_at("watching")
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert running.wait() == 0
    assert job.return_value() == [False, True]


def test_a_job_on_a_second_queue_goes_back_to_that_queue(
    worker: Workers, connection: Redis, course: Course
) -> None:
    high, low = Queue("high", connection=connection), Queue("low", connection=connection)
    course.hold_at(1)
    job = low.enqueue(jobs.import_rows, 3)
    running = worker("high", "low")
    course.wait_at(1)
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert running.wait() == 0
    assert (high.job_ids, low.job_ids) == ([], [job.id])
    assert worker("high", "low", burst=True).wait() == 0
    assert job.return_value() == "3 rows"
    assert course.visited == ALL


def test_a_worker_of_one_job_ends_after_an_interruption(
    worker: Workers, queue: Queue, course: Course
) -> None:
    """`--max-jobs` counts executions, as it does for RQ's retries."""
    job = queue.enqueue(jobs.isolated)
    assert worker(args=["--max-jobs", "1"]).wait() == 0
    assert job.get_status() == "queued"
    assert course.visited == ["before"]
    assert worker(args=["--max-jobs", "1"]).wait() == 0
    assert course.visited == ["before", "alone"]


def test_a_burst_worker_takes_an_interrupted_job_again(
    worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.isolated)
    assert worker(burst=True).wait() == 0
    wait_until_finished(job)
    assert course.visited == ["before", "alone", "after"]


def test_a_burst_worker_does_not_wait_for_a_job_that_waits(
    worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.patient, 3600)
    assert worker(burst=True).wait() == 0
    assert job.get_status() == "scheduled"
    assert course.visited == ["first"]


@pytest.mark.parametrize("worker_class", [rq_steps.Worker, rq_steps.SimpleWorker])
def test_a_worker_is_stopping_from_the_request_on(
    worker_class: type[rq_steps.Worker], queue: Queue, connection: Redis
) -> None:
    queue.enqueue(jobs.calm)
    worker = worker_class([queue], connection=connection)
    assert not worker.stopping
    with own_handlers():
        worker.work(burst=True)
    assert worker.stopping


@pytest.mark.parametrize("worker_class", FORKING)
def test_a_job_that_is_stopped_on_command_is_not_resumed_until_somebody_requeues_it(
    worker_class: str, worker: Workers, queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows_saving_all, 3, on_stopped=Callback(restless.note_stop))
    course.hold_at(1)
    running = worker(worker_class=worker_class)
    course.wait_at(1)
    send_stop_job_command(connection, job.id)
    wait_until(lambda: restless.status(job) == "stopped", "the job is not stopped")
    assert connection.lrange("called", 0, -1) == [f"stopped {job.id}".encode()]
    running.terminate()
    assert running.wait() == 0
    job.requeue()
    course.hold_nowhere()
    restless.work_once(connection)
    assert job.return_value() == "3 rows"
    assert course.visited == ["0", "1", "1", "2", "report"]


def test_a_worker_that_is_told_to_stop_before_it_looks_for_jobs_leaves_quietly(
    worker: Workers, queue: Queue
) -> None:
    queue.enqueue(jobs.import_rows, 3)
    told = worker(worker_class="tests.processes.classes.ToldAtOnce")
    assert told.wait() == 0
    assert "Traceback" not in told.output
    assert len(queue) == 1


def test_a_worker_that_is_suspended_leaves(
    worker: Workers, queue: Queue, connection: Redis
) -> None:
    suspended = worker()
    suspended.wait_until_listening()
    suspend(connection)
    queue.enqueue(jobs.import_rows, 3)  # a worker looks between two jobs
    suspended.wait_for_output("suspended, run `rq resume` to resume")
    suspended.terminate()
    assert suspended.wait() == 0


@pytest.mark.parametrize("scheduler", ["StillbornScheduler", "ShortlivedScheduler"])
def test_a_scheduler_that_is_stopped_before_it_has_begun_leaves_no_lock(
    scheduler: str, worker: Workers, queue: Queue, connection: Redis
) -> None:
    """Else none could begin for a minute, and the next worker's waits would not end."""
    running = worker(worker_class=f"tests.processes.classes.{scheduler}", args=["--with-scheduler"])
    wait_until(lambda: connection.exists(RQScheduler.get_locking_key(queue.name)), "no lock")
    running.wait_until_listening()
    running.terminate()
    assert running.wait() == 0
    assert not connection.exists(RQScheduler.get_locking_key(queue.name))


def test_a_worker_that_is_asked_to_stop_while_it_forks_its_scheduler_leaves(
    worker: Workers,
) -> None:
    asked = worker(worker_class="tests.processes.classes.AskedAtTheFork", args=["--with-scheduler"])
    assert asked.wait() == 0


def test_a_scheduler_that_hears_of_ctrl_c_before_it_has_begun_can_still_be_stopped(
    worker: Workers,
) -> None:
    running = worker(
        worker_class="tests.processes.classes.InterruptedScheduler", args=["--with-scheduler"]
    )
    running.wait_for_output("interrupted")
    running.terminate()
    assert running.wait() == 0

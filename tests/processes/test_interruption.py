"""Each class of worker: a job is interrupted in the middle of a step, and goes on at the very item.

Nothing is done twice and nothing is left out, whoever sends which signal to whom.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from pyarrow import Table, parquet
from redis import Redis
from rq import Queue
from rq.job import Job

from tests.processes import jobs
from tests.processes.course import (
    FORKING,
    OURS,
    OVER_OTHERS,
    STOCK,
    STOCK_FORKING,
    Course,
    wait_until_finished,
    wait_until_told_to_stop,
)
from tests.workers import WorkerProcess, Workers, wait_until

ROWS = 6
ALL = [*map(str, range(ROWS)), "report"]


def enqueue(queue: Queue, worker_class: str) -> Job:
    stock = worker_class.startswith("rq.")
    function = jobs.import_rows_saving_all if stock else jobs.import_rows
    return queue.enqueue(function, ROWS)


def start_and_hold(worker: Workers, worker_class: str, course: Course, place: int) -> WorkerProcess:
    course.hold_at(place)
    running = worker(worker_class=worker_class)
    course.wait_at(place)
    return running


def assert_interrupted(job: Job, course: Course, running: WorkerProcess, place: int) -> None:
    """The worker has gone, and the job waits for another to go on behind this place."""
    assert running.wait() == 0
    assert job.get_status() == "queued"
    assert course.visited == ALL[: place + 1]


def assert_goes_on(job: Job, course: Course, worker: Workers, worker_class: str) -> None:
    """The next worker does the rest, and that only."""
    before = course.visited
    following = worker(worker_class=worker_class, burst=True)
    assert following.wait() == 0
    assert job.get_status() == "finished"
    assert job.return_value() == f"{ROWS} rows"
    assert course.visited_by(following.name) == ALL[len(before) :]
    assert course.visited == ALL


@pytest.mark.parametrize("worker_class", [*OURS, *OVER_OTHERS, *STOCK])
def test_sigterm_to_the_worker_costs_no_work(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = enqueue(queue, worker_class)
    running = start_and_hold(worker, worker_class, course, 2)
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert_interrupted(job, course, running, 2)
    assert_goes_on(job, course, worker, worker_class)


@pytest.mark.parametrize("worker_class", OURS)
def test_sigterm_in_an_async_loop_costs_no_work(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows_async, ROWS)
    running = start_and_hold(worker, worker_class, course, 2)
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert_interrupted(job, course, running, 2)
    assert_goes_on(job, course, worker, worker_class)


@pytest.mark.parametrize("worker_class", OURS)
def test_sigterm_in_a_loop_over_wrapped_parquet_costs_no_work(
    worker_class: str, worker: Workers, queue: Queue, course: Course, tmp_path: Path
) -> None:
    path = tmp_path / "numbers.parquet"
    parquet.write_table(Table.from_pydict({"number": range(ROWS)}), path, row_group_size=2)
    job = queue.enqueue(jobs.import_parquet, str(path))
    running = start_and_hold(worker, worker_class, course, 2)
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert_interrupted(job, course, running, 2)
    assert_goes_on(job, course, worker, worker_class)


@pytest.mark.parametrize("worker_class", [*OURS, *OVER_OTHERS, *STOCK])
def test_sigterm_to_worker_and_horse_together_costs_no_work(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = enqueue(queue, worker_class)
    running = start_and_hold(worker, worker_class, course, 3)
    running.terminate_tree()
    wait_until_told_to_stop(job)
    course.go_on()
    assert_interrupted(job, course, running, 3)
    assert_goes_on(job, course, worker, worker_class)


@pytest.mark.parametrize("worker_class", [*OURS, *OVER_OTHERS, *STOCK])
def test_ctrl_c_on_the_terminal_costs_no_work(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = enqueue(queue, worker_class)
    running = start_and_hold(worker, worker_class, course, 0)
    os.killpg(running.pid, signal.SIGINT)
    wait_until_told_to_stop(job)
    course.go_on()
    assert_interrupted(job, course, running, 0)
    assert_goes_on(job, course, worker, worker_class)


@pytest.mark.parametrize("worker_class", [*FORKING, *OVER_OTHERS, *STOCK_FORKING])
def test_after_sigterm_to_the_horse_alone_its_worker_takes_the_job_again(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = enqueue(queue, worker_class)
    running = start_and_hold(worker, worker_class, course, 1)
    horse = running.horse()
    os.kill(horse, signal.SIGTERM)
    course.hold_at(4)
    course.go_on()
    assert course.wait_at(4) != horse
    course.go_on()
    wait_until_finished(job)
    assert course.visited_by(running.name) == ALL
    assert running.running


@pytest.mark.parametrize("worker_class", [*OURS, *OVER_OTHERS, *STOCK])
def test_an_idle_worker_ends_at_once(worker_class: str, worker: Workers, connection: Redis) -> None:
    running = worker(worker_class=worker_class)
    key = f"rq:worker:{running.name}"
    wait_until(lambda: connection.hget(key, "state") == b"idle", "the worker is not idle")
    running.terminate()
    assert running.wait() == 0

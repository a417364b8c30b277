"""What a worker prints: each turn of a continuable, beside RQ's own lines and where those go."""

from __future__ import annotations

import pytest
from rq import Queue

from tests.processes import jobs
from tests.processes.course import OURS
from tests.workers import WorkerProcess, Workers

FIRST = [
    "started",
    "step 'two' started",
    "interrupted at 'two', cursor 1 (stopping)",
]
SECOND = [
    "resumed at 'two', cursor 1",
    "step 'two' resumed from cursor 1",
    "step 'two' completed",
    "finished: 1 step in 2 executions",
]


def lines_of(running: WorkerProcess, job_id: str) -> list[str]:
    """What it printed of this job, without time and prefix."""
    mark = f"Job {job_id}: "
    return [line.partition(mark)[2] for line in running.output.splitlines() if mark in line]


def run(worker: Workers, worker_class: str, **options: object) -> WorkerProcess:
    running = worker(worker_class=worker_class, burst=True, **options)  # type: ignore[arg-type]
    assert running.wait() == 0
    return running


@pytest.mark.parametrize("worker_class", OURS)
def test_every_turn_of_a_job_is_printed_once(
    worker_class: str, worker: Workers, queue: Queue
) -> None:
    job = queue.enqueue(jobs.calm)
    assert lines_of(run(worker, worker_class), job.id) == FIRST
    assert lines_of(run(worker, worker_class), job.id) == SECOND


def test_the_lines_look_like_those_of_rq(worker: Workers, queue: Queue) -> None:
    job = queue.enqueue(jobs.calm)
    args = ["--log-format", "%(levelname)s|%(asctime)s|%(message)s", "--date-format", "DATE"]
    assert f"INFO|DATE|Job {job.id}: started" in run(worker, "rq_steps.Worker", args=args).output


def test_an_error_that_is_resumed_is_printed_with_its_traceback(
    worker: Workers, queue: Queue
) -> None:
    job = queue.enqueue(jobs.failing_once)
    output = run(worker, "rq_steps.Worker").output
    assert f"Job {job.id}: LookupError at 'two', cursor 1, resumes in 0 s: in the middle" in output
    assert "LookupError: in the middle\n" in output
    assert job.is_finished


def test_where_the_root_logger_is_set_up_the_lines_go_there_and_nowhere_else(
    worker: Workers, queue: Queue
) -> None:
    job = queue.enqueue(jobs.calm)
    running = run(worker, "tests.processes.with_a_root_logger.Worker")
    assert lines_of(running, job.id) == FIRST
    assert f"ROOT Job {job.id}: started" in running.output


def test_a_root_logger_that_a_job_sets_up_doubles_our_lines_no_more_than_rqs(
    worker: Workers, queue: Queue
) -> None:
    job = queue.enqueue(jobs.set_up_logging)
    run(worker, "rq_steps.Worker")
    running = run(worker, "rq_steps.Worker")
    assert job.is_finished
    assert running.output.count(f"Job {job.id}: finished") == running.output.count(
        f"Job OK ({job.id})"
    )


def test_a_level_that_somebody_has_set_is_left_alone(worker: Workers, queue: Queue) -> None:
    job = queue.enqueue(jobs.calm)
    running = run(worker, "tests.processes.with_a_level.Worker")
    assert lines_of(running, job.id) == []
    assert "stopping on request" in running.output

"""A job that is interrupted three times, in a way that the test chooses, and then done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import rq.worker
from redis import Redis
from rq.job import Job
from rq.utils import as_text

import rq_steps
from rq_steps import Step, continuable, step
from tests.processes.jobs import terminate_worker, visit
from tests.workers import wait_until

WAYS = ["stopping", "own", "waiting", "error", "isolated"]
EXECUTIONS = 4


@continuable(save_every=3600, error_wait=0)
def restless(way: str, *, fails: bool = False) -> str:
    if way == "isolated":
        for number in range(EXECUTIONS):
            alone.with_options(name=f"alone {number}")(number)
    else:
        rest(way)
    if fails:
        raise LookupError("in the end")
    return "done"


@step(isolated=True)
def alone(number: int) -> None:
    visit(number)


@step(start=0)
def rest(step: Step, way: str) -> None:
    while step.cursor < EXECUTIONS - 1:
        visit(step.cursor)
        interrupt(step, way)
    visit(step.cursor)


def interrupt(step: Step, way: str) -> None:
    if way == "stopping":
        terminate_worker()
        wait_until(lambda: step.stopping, "SIGTERM has not come")
    step.advance()
    if way == "own":
        step.interrupt(reason="own")
    elif way == "waiting":
        step.interrupt(wait=0.001, reason="waiting")
    elif way == "error":
        raise LookupError("in the middle")


@contextmanager
def own_handlers() -> Iterator[None]:
    """RQ's workers leave their handlers of signals behind, when they work in this process."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def work_once(
    connection: Redis,
    *queues: str,
    worker_class: type[rq.worker.BaseWorker] = rq_steps.SimpleWorker,
) -> dict[str, str]:
    """Perform one job in this process. Returns what RQ has booked of the worker."""
    worker = worker_class(queues or ["default"], connection=connection)
    with own_handlers():
        worker.work(burst=True, max_jobs=1)
    return {as_text(key): as_text(value) for key, value in connection.hgetall(worker.key).items()}


def work_until_done(
    job: Job, *queues: str, worker_class: type[rq.worker.BaseWorker] = rq_steps.SimpleWorker
) -> Iterator[dict[str, str]]:
    """Perform it, one execution a turn, until it is finished or has failed.

    Gives what RQ has booked of the worker: after each interruption, and at last after the end.
    """
    for _ in range(3 * EXECUTIONS):
        booked = work_once(job.connection, *queues, worker_class=worker_class)
        yield booked
        if status(job) in ("finished", "failed", None):
            return
    raise AssertionError(f"job {job.id} does not come to an end: {status(job)}")


def status(job: Job) -> str | None:
    """What its hash says; None where it is gone."""
    stored = job.connection.hget(job.key, "status")
    return as_text(stored) if stored else None


def note_success(job: Job, connection: Redis, result: object) -> None:
    connection.rpush("called", f"success {job.id} {result}")


def note_failure(job: Job, connection: Redis, *error: object) -> None:
    connection.rpush("called", f"failure {job.id}")


def note_stop(job: Job, connection: Redis) -> None:
    connection.rpush("called", f"stopped {job.id}")

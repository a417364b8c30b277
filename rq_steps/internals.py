"""The private names of RQ that we lean on, each with its reason. There are no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rq.utils import utcformat

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue
    from rq.scheduler import RQScheduler
    from rq.worker import BaseWorker


def forget_result(job: Job) -> None:
    """RQ keeps what a job returned in memory, and writes it into the hash with the next save: the
    Retry of an interrupted job would become its result."""
    job._result = None


def note_begin(job: Job, begun: Callable[[], None]) -> None:
    """Have it told when RQ calls the function: before RQ 3, a command to Redis comes first."""
    execute = job._execute

    def tell_and_execute() -> Any:
        begun()
        return execute()

    vars(job)["_execute"] = tell_and_execute


def enqueue(queue: Queue, job: Job, pipeline: Pipeline, *, at_front: bool) -> None:
    """Below `Queue.enqueue_job`, which would look at the job's dependencies once more, and could
    defer it."""
    queue._enqueue_job(job, pipeline=pipeline, at_front=at_front)


def enqueue_rate_limited(queue: Queue, job: Job, pipeline: Pipeline, *, at_front: bool) -> None:
    """The same for a job that has to get its slot again, since RQ 3."""
    queue._enqueue_rate_limited_job(job, pipeline=pipeline, at_front=at_front)


def exit_code(scheduler: RQScheduler) -> int | None:
    """Of its process; `-signal` if that killed it. RQ keeps the process to itself."""
    process = scheduler._process
    return None if process is None else process.exitcode


def is_to_be_stopped(worker: BaseWorker, job: Job) -> bool:
    """Has a command to stop this job come? RQ notes so before it kills the work-horse, if any."""
    return worker._stopped_job_id == job.id


def forget_stopped_job(worker: BaseWorker) -> None:
    """A command to stop a job is for an execution that runs, and not for a later one."""
    worker._stopped_job_id = None


def stop_at_next_turn(worker: BaseWorker) -> None:
    """Have RQ's loop end where it asks. What is raised from a handler of signals may come out where
    nobody catches it, or in the middle of a command to Redis, and leave its connection unfit."""
    worker._stop_requested = True


def go_on_at_next_turn(worker: BaseWorker) -> None:
    """RQ notes no request that found its worker idle."""
    worker._stop_requested = False


def note_shutdown_request(worker: BaseWorker, connection: Redis) -> None:
    """As `BaseWorker.set_shutdown_requested_date` does, over a connection of one's own."""
    requested = worker._shutdown_requested_date
    if requested is not None:
        connection.hset(worker.key, "shutdown_requested_date", utcformat(requested))


def take_signals(worker: BaseWorker) -> None:
    """Install the worker's handlers; RQ does so later, when it has forked its scheduler."""
    worker._install_signal_handlers()

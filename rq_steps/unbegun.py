"""Jobs that were taken from their queue and never begun: they go back, whoever's they are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rq.executions import Execution, ExecutionRegistry
from rq.job import JobStatus
from rq.queue import Queue
from rq.utils import get_version

from rq_steps.books import close, open_executions
from rq_steps.lease import seen_key
from rq_steps.settings import LEASE
from rq_steps.wire import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.client import Pipeline
    from rq.job import Job


def takes_through_intermediate(queues: Sequence[Queue]) -> bool:
    """Does RQ note a job of these queues in an intermediate queue when it takes it?

    Not of several, nor where the server does not tell its version: an ACL may deny INFO.
    """
    return len(queues) == 1 and get_version(queues[0].connection) >= (6, 2, 0)


def forget_seen(job: Job, pipeline: Pipeline) -> None:
    """RQ notes every job that it sees on its way to a worker, and would fail it the next time."""
    intermediate = Queue(job.origin, connection=job.connection).intermediate_queue
    pipeline.delete(intermediate.get_first_seen_key(job.id))


def put_back_unbegun(queue: Queue, job: Job, worker_name: str) -> None:
    """Put back a job that this worker holds and has not begun; if it is still to be done."""
    transaction = partial(_put_back, queue, job, worker_name)
    queue.connection.transaction(transaction, job.key, queue.key)


def rescue_unbegun(queues: Sequence[Queue]) -> int:
    """Put back what other workers took, and have not begun for the time of a lease.

    However many workers look, each job is put back once. Answers how many were.
    """
    return sum(_rescue_unbegun_of(queue) for queue in queues)


def spare_unbegun(queue: Queue) -> None:
    """RQ's cleanup would fail what it has seen before in the intermediate queue, or what only has
    an old mark of an earlier time there."""
    intermediate = queue.intermediate_queue
    for job_id in intermediate.get_job_ids():
        queue.connection.delete(intermediate.get_first_seen_key(job_id))


def _put_back(queue: Queue, job: Job, worker_name: str, pipeline: Pipeline) -> None:
    is_to_do = pipeline.hget(job.key, "status") == JobStatus.QUEUED.encode()
    was_rescued = pipeline.lpos(queue.key, job.id) is not None  # this worker was frozen meanwhile
    executions = open_executions(job)
    pipeline.multi()
    close(executions, job, worker_name, pipeline)
    pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
    if is_to_do and not was_rescued:
        queue.push_job_id(job.id, pipeline=pipeline, at_front=True)


def _rescue_unbegun_of(queue: Queue) -> int:
    connection = queue.connection
    intermediate = queue.intermediate_queue
    keys = [
        queue.key,
        intermediate.key,
        queue.started_job_registry.key,
        seen_key(intermediate),
    ]
    prefixes = [
        queue.job_class.key_for(""),
        intermediate.get_first_seen_key(""),
        ExecutionRegistry("", connection).key,
        Execution("", "", connection).key[: -len(":")],
    ]
    rescued: list[bytes] = script(connection, "rescue")(keys=keys, args=[LEASE, *prefixes])
    return len(rescued)

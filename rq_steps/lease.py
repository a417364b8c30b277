"""For how long a job counts as alive when nothing is heard of it.

RQ's own registry says so after ten minutes or more, and then fails the job. A lease lies beside it,
in a sorted set for each queue: the ids of the continuables that run, by the time on Redis' clock at
which they count as lost. Plain jobs have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq.registry import StartedJobRegistry

from rq_steps.settings import LEASE
from rq_steps.wire import script, source

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.intermediate_queue import IntermediateQueue
    from rq.job import Job
    from rq.queue import Queue


def lease_key(queue_name: str, connection: Redis) -> str:
    """The sorted set of a queue's leases."""
    return f"{StartedJobRegistry(queue_name, connection=connection).key}:rq_steps"


def take_lease(job: Job, queue: Queue, execution: Execution, *, through_intermediate: bool) -> bool:
    """From now on the job counts as lost when nothing is heard of it.

    False where it is not this execution's to begin: put back by others, canceled or finished.
    """
    started, finished = job.started_job_registry.key, job.finished_job_registry.key
    keys = [_key(job), started, job.key, queue.intermediate_queue_key, finished, queue.key]
    args: list[str | float] = [job.id, LEASE, execution.composite_key, int(through_intermediate)]
    return bool(script(job.connection, "lease")(keys=keys, args=args))


def seen_key(intermediate: IntermediateQueue) -> str:
    """Since when each job of a queue has been seen taken and not begun."""
    return f"{intermediate.key}:rq_steps"


def vouch_for(job: Job, queue: Queue, execution: Execution, worker_name: str) -> None:
    """Keep a job from counting as lost, from the side of a worker whose work-horse lives: it may be
    deaf for a while, or have yet to begin."""
    started, seen = job.started_job_registry.key, seen_key(queue.intermediate_queue)
    args: list[str | float] = [worker_name, job.id, LEASE, execution.composite_key]
    script(job.connection, "vouch")(keys=[job.key, _key(job), started, seen], args=args)


def has_lease(job: Job) -> bool:
    """Has nobody closed the books on the job?"""
    return job.connection.zscore(_key(job), job.id) is not None


def end_lease(job: Job, worker_name: str, connection: Pipeline | Redis) -> None:
    """Nobody need look after the job any more, unless it runs elsewhere; in a pipeline, from its
    transaction on."""
    connection.eval(source("unlease"), 2, job.key, _key(job), job.id, worker_name)


def _key(job: Job) -> str:
    return lease_key(job.origin, job.connection)

"""Puts interrupted jobs into their queues when their wait is over, without RQ's scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from redis.exceptions import WatchError
from rq.job import JobStatus
from rq.registry import ScheduledJobRegistry

from rq_steps.head import goes_to_front
from rq_steps.internals import enqueue, enqueue_rate_limited
from rq_steps.jobs import alone, fetch, forget_meta, persist
from rq_steps.redis_clock import redis_now
from rq_steps.store import HEAD

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue

_AT_ONCE = 100


def waiting_key(queue: Queue) -> str:
    """The sorted set of the continuables that wait, by the time on Redis' clock when they are due.

    They are in RQ's registry of scheduled jobs, too; there they may stand behind any number of
    other people's jobs that no scheduler ever picks up.
    """
    return f"{ScheduledJobRegistry(queue=queue).key}:rq_steps"


def promote_due(queues: Sequence[Queue]) -> int:
    """Enqueue the continuables whose wait is over; answers how many.

    However many workers look, each job is enqueued once. Where RQ's scheduler runs for a queue, its
    jobs are left to that, since it does not look whether others were faster.
    """
    if not queues:
        return 0
    due = _due(queues[0].connection, [waiting_key(queue) for queue in queues])
    return sum(
        _promote_all(queue, [job_id.decode() for job_id in job_ids])
        for queue, job_ids in zip(queues, due, strict=True)
        if job_ids
    )


def _due(connection: Redis, keys: list[str]) -> list[list[bytes]]:
    now = redis_now(connection)
    with connection.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.zrangebyscore(key, 0, now, start=0, num=_AT_ONCE)
        due: list[list[bytes]] = pipeline.execute()
        return due


def _promote_all(queue: Queue, job_ids: list[str]) -> int:
    has_scheduler = queue.scheduler_pid is not None
    return sum(alone(each, partial(_promote, queue, each, has_scheduler)) for each in job_ids)


def _promote(queue: Queue, job_id: str, has_scheduler: bool) -> bool:
    """Enqueue the job, or forget it where it does not wait any more; answers whether it was."""
    with queue.connection.pipeline() as pipeline:
        try:
            pipeline.watch(  # type: ignore[no-untyped-call]  # of redis
                queue.job_class.key_for(job_id)
            )
            job = _waiting(queue, job_id)
            if job is not None and has_scheduler:
                return False
            pipeline.multi()
            pipeline.zrem(waiting_key(queue), job_id)
            if job is not None:
                _enqueue(job, queue, pipeline)
            pipeline.execute()
        except WatchError:  # somebody else has taken it, or will have to look again
            return False
    return job is not None


def _waiting(queue: Queue, job_id: str) -> Job | None:
    """The job, if it waits as it was left: it may have been canceled, deleted, or enqueued or
    scheduled anew by somebody."""
    job = fetch(queue, job_id)
    if job is None:
        return None
    left_until = queue.connection.zscore(waiting_key(queue), job_id)
    waits_until = queue.connection.zscore(ScheduledJobRegistry(queue=queue).key, job_id)
    is_scheduled = job.get_status(refresh=False) == JobStatus.SCHEDULED
    return job if is_scheduled and waits_until == left_until else None


def _enqueue(job: Job, queue: Queue, pipeline: Pipeline) -> None:
    front = goes_to_front(job.connection.hget(job.key, HEAD))
    forget_meta(job)
    ScheduledJobRegistry(queue=queue).remove(job.id, pipeline=pipeline)
    if getattr(job, "has_rate_limit", False):  # since RQ 3
        enqueue_rate_limited(queue, job, pipeline, at_front=front)
    else:
        enqueue(queue, job, pipeline, at_front=front)
    persist(job, pipeline)

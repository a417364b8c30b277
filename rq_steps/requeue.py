"""The one transaction that puts an interrupted job back into its queue."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from redis.exceptions import WatchError
from rq.job import JobStatus
from rq.registry import ScheduledJobRegistry

from rq_steps.books import hold, naming
from rq_steps.internals import enqueue, forget_result
from rq_steps.jobs import fields, forget_meta, persist
from rq_steps.outcome import Outcome
from rq_steps.promotion import waiting_key
from rq_steps.rate_limit import release_slot_of
from rq_steps.redis_clock import redis_now
from rq_steps.resume_queue import sibling
from rq_steps.stale_status import set_right
from rq_steps.store import CLAIM, ENDED

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job
    from rq.queue import Queue
    from rq.worker import BaseWorker


def put_back(
    worker: BaseWorker,
    job: Job,
    queue: Queue,
    outcome: Outcome,
    execution: Execution,
) -> None:
    """End an execution in RQ's books, and put its job back unless it is somebody else's by now.

    Interrupted is not failed: nothing is counted, nobody is called, no result is kept. What other
    people write to the job meanwhile is seen, and the transaction tried again.
    """
    forget_result(job)
    transaction = partial(_put_back, worker, job, queue, outcome, execution)
    worker.connection.transaction(transaction, job.key)
    release_slot_of(job)


def _put_back(
    worker: BaseWorker,
    job: Job,
    queue: Queue,
    outcome: Outcome,
    execution: Execution,
    pipeline: Pipeline,
) -> None:
    data, status, claim = fields(pipeline, job.key, "data", "status", CLAIM)
    is_claimed = _claims(claim, outcome) and not outcome.lost
    is_ours = is_claimed and status == JobStatus.STARTED.encode()
    if is_claimed and not is_ours and _was_set_right(job, claim, status):
        raise WatchError  # it is ours after all: look again
    now = datetime.fromtimestamp(redis_now(pipeline), tz=timezone.utc)
    pipeline.multi()
    assert job.started_at
    assert job.ended_at
    worker.increment_total_working_time(job.ended_at - job.started_at, pipeline)
    job.origin = queue.name  # an attempt before this one may have moved it
    _clean_up(worker, job, execution, pipeline)
    if is_ours and data is not None:
        forget_meta(job)
        _enqueue(job, sibling(queue, outcome.queue), outcome, now, pipeline)
    elif data is None:
        pipeline.delete(job.key)  # deleted, and brought back by RQ's own heartbeat


def _clean_up(worker: BaseWorker, job: Job, execution: Execution, pipeline: Pipeline) -> None:
    hold(execution, worker)  # where the transaction is tried again, it has been let go
    worker.cleanup_execution(job, pipeline=pipeline, **naming(execution, worker))


def _was_set_right(job: Job, claim: bytes | None, status: bytes | None) -> bool:
    if claim is None or status is None:
        return False
    return set_right(job, claim.decode(), status.decode())


def _claims(claim: bytes | None, outcome: Outcome) -> bool:
    """Is the execution that ends still the last one that claimed the job?"""
    token = outcome.token
    return claim in (token.encode(), f"{ENDED}{token}".encode())


def _enqueue(job: Job, queue: Queue, outcome: Outcome, now: datetime, pipeline: Pipeline) -> None:
    pipeline.hdel(job.key, CLAIM)
    if outcome.wait:
        _schedule(job, queue, now + timedelta(seconds=outcome.wait), pipeline)
    else:
        enqueue(queue, job, pipeline, at_front=outcome.front)
        pipeline.sadd(queue.redis_queues_keys, queue.key)
    persist(job, pipeline)


def _schedule(job: Job, queue: Queue, when: datetime, pipeline: Pipeline) -> None:
    job.origin = queue.name
    queue.schedule_job(job, when, pipeline=pipeline)
    registry = ScheduledJobRegistry(queue=queue)
    pipeline.zadd(registry.key, {job.id: when.timestamp()})  # RQ cuts it to whole seconds
    pipeline.zadd(waiting_key(queue), {job.id: when.timestamp()})

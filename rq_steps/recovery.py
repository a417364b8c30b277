"""Jobs whose work-horse, worker or machine died: found, and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from redis.exceptions import WatchError
from rq.exceptions import AbandonedJobError, NoSuchJobError
from rq.job import JobStatus
from rq.results import Result
from rq.utils import now

from rq_steps.events import Died, logger, publish
from rq_steps.internals import enqueue
from rq_steps.lease import LEASE, lease_key
from rq_steps.record import Death, Run, after_death, revived
from rq_steps.store import CLAIM, DIED, ENDED, HEAD
from rq_steps.wire import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job
    from rq.queue import Queue

MOST_DEATHS = 3
"""A job that dies as often at one place fails: it would take one worker after the other with it."""
STUCK_FOR = 30.0
"""Seconds after which a job that was taken from its queue and not begun is put back."""
_AT_ONCE = 100


class _Found(NamedTuple):
    """What the job's hash says of a job that may be lost."""

    status: str
    worker_name: str
    claim: str
    head: bytes | None
    run: Run

    @property
    def is_continuable(self) -> bool:
        return bool(self.claim or self.head)

    @property
    def is_lost(self) -> bool:
        """Started, or failed by RQ's own cleanup, which came first."""
        if self.status == JobStatus.STARTED:
            return True
        concluded = self.claim.startswith((ENDED, DIED)) or not self.claim
        return self.status == JobStatus.FAILED and not concluded


def recover_lost(queues: Sequence[Queue]) -> int:
    """Put back the continuables whose lease has run out; answers how many.

    However many workers look, each job is put back once.
    """
    return sum(_recover_lost_of(queue) for queue in queues)


def recover_after_horse(queue: Queue, job_id: str, worker_name: str) -> bool:
    """Put back a job whose work-horse died, or see it failed for good where that is due.

    False where it is RQ's to handle: a plain job that had begun, or one that is over.
    """
    found = _find(queue, job_id)
    if found is None:
        return False
    if found.status == JobStatus.QUEUED:
        return _put_back_unbegun(queue, job_id)
    if found.status != JobStatus.STARTED or not found.is_continuable:
        return False
    if found.worker_name == worker_name:
        _recover(queue, job_id)
    return True


def rescue_stuck(queues: Sequence[Queue]) -> int:
    """Put back the jobs that were taken from a queue by a worker that died before they began."""
    return sum(_rescue_stuck_of(queue) for queue in queues)


def _recover_lost_of(queue: Queue) -> int:
    connection = queue.connection
    key = lease_key(queue.name, connection)
    seconds, _ = connection.time()
    due: list[bytes] = connection.zrangebyscore(key, 0, seconds, start=0, num=_AT_ONCE)  # type: ignore[assignment]
    take = script(connection, "take")
    return sum(
        _recover(queue, job_id.decode()) for job_id in due if take(keys=[key], args=[job_id, LEASE])
    )


def _recover(queue: Queue, job_id: str) -> bool:
    with queue.connection.pipeline() as pipeline:
        while True:
            try:
                return _try_to_recover(queue, job_id, pipeline)
            except WatchError:
                continue


def _try_to_recover(queue: Queue, job_id: str, pipeline: Pipeline) -> bool:
    pipeline.watch(queue.job_class.key_for(job_id))  # type: ignore[no-untyped-call]
    found, job = _find(queue, job_id), _fetch(queue, job_id)
    if found is None or job is None or not found.is_lost:
        pipeline.unwatch()
        queue.connection.zrem(lease_key(queue.name, queue.connection), job_id)
        return False
    executions = job.get_executions()
    death = after_death(found.head, found.run)
    pipeline.multi()
    _end_executions(job, executions, found, pipeline)
    if death.deaths >= MOST_DEATHS or death.too_many:
        _fail(job, queue, death, pipeline)
    else:
        _put_back(job, queue, death, pipeline)
    pipeline.execute()
    _tell(job, queue, death)
    return True


def _end_executions(
    job: Job, executions: list[Execution], found: _Found, pipeline: Pipeline
) -> None:
    """RQ's cleanup must not come upon them, and fail a job that runs again."""
    for execution in executions:
        execution.delete(job=job, pipeline=pipeline)
    pipeline.zrem(lease_key(job.origin, job.connection), job.id)
    pipeline.hset(job.key, CLAIM, f"{DIED}{found.claim}")


def _put_back(job: Job, queue: Queue, death: Death, pipeline: Pipeline) -> None:
    job.failed_job_registry.remove(job, pipeline=pipeline)
    pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
    pipeline.delete(queue.intermediate_queue.get_first_seen_key(job.id))
    enqueue(queue, job, pipeline, at_front=True)
    pipeline.hset(job.key, HEAD, death.head)
    for key in (job.key, job.dependents_key, job.dependencies_key):
        pipeline.persist(key)


def _fail(job: Job, queue: Queue, death: Death, pipeline: Pipeline) -> None:
    job.set_status(JobStatus.FAILED, pipeline=pipeline)
    pipeline.hset(job.key, HEAD, revived(death.head))
    job.failed_job_registry.add(
        job, ttl=job.failure_ttl or -1, pipeline=pipeline, exc_string=_why_failed(death)
    )
    Result.create_failure(job, job.failure_ttl, _why_failed(death), pipeline=pipeline)


def _why_failed(death: Death) -> str:
    where = "before its first step" if death.step is None else f"at step '{death.step}'"
    cursor = "" if death.cursor is None else f", cursor {death.cursor!r}"
    if death.too_many:
        return f"the job died {where}{cursor}, and was resumed as often as max_resumptions allows"
    return f"the job died {death.deaths} times in a row {where}{cursor}"


def _tell(job: Job, queue: Queue, death: Death) -> None:
    failed = death.deaths >= MOST_DEATHS or death.too_many
    publish(Died(job.id, death.step, death.cursor, death.deaths, failed))
    if failed:
        _call_back(job, AbandonedJobError(_why_failed(death)))
        queue.enqueue_dependents(job)


def _call_back(job: Job, error: AbandonedJobError) -> None:
    """As RQ's own cleanup of abandoned jobs does."""
    try:
        if job.failure_callback is not None:
            job.failure_callback(job, job.connection, type(error), error, None)
    except Exception:
        logger.exception("Job %s: its failure callback raised", job.id)


def _find(queue: Queue, job_id: str) -> _Found | None:
    names = ("data", "status", "worker_name", CLAIM, HEAD, "created_at", "repeats_left")
    key = queue.job_class.key_for(job_id)
    values: list[bytes | None] = queue.connection.hmget(key, *names)  # type: ignore[assignment]
    data, status, worker_name, claim, head, created_at, repeats_left = values
    if data is None or status is None:
        return None
    run = Run(_text(created_at), int(repeats_left) if repeats_left else None)
    return _Found(_text(status), _text(worker_name), _text(claim), head, run)


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _fetch(queue: Queue, job_id: str) -> Job | None:
    try:
        job: Job = queue.job_class.fetch(job_id, queue.connection, queue.serializer)
    except NoSuchJobError:
        return None
    return job


def _put_back_unbegun(queue: Queue, job_id: str) -> bool:
    job = _fetch(queue, job_id)
    if job is None:
        return False
    executions = job.get_executions()
    with queue.connection.pipeline() as pipeline:
        for execution in executions:
            execution.delete(job=job, pipeline=pipeline)
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
        queue.push_job_id(job_id, pipeline=pipeline, at_front=True)
        pipeline.execute()
    return True


def _rescue_stuck_of(queue: Queue) -> int:
    return sum(_rescue(queue, job_id) for job_id in queue.intermediate_queue.get_job_ids())


def _rescue(queue: Queue, job_id: str) -> bool:
    intermediate = queue.intermediate_queue
    if job_id in queue.started_job_registry or intermediate.set_first_seen(job_id):
        return False
    first_seen = intermediate.get_first_seen(job_id)
    if first_seen is None or (now() - first_seen).total_seconds() < STUCK_FOR:
        return False
    keys = [queue.intermediate_queue_key, queue.key]
    rescued = bool(script(queue.connection, "rescue")(keys=keys, args=[job_id]))
    queue.connection.delete(intermediate.get_first_seen_key(job_id))
    return rescued

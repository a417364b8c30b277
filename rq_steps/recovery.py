"""Jobs whose work-horse, worker or machine died while they ran: found, and put back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from redis.exceptions import WatchError
from rq.job import JobStatus

from rq_steps.books import close, close_at_once, open_executions
from rq_steps.events import Died, publish
from rq_steps.head import Death, after_death
from rq_steps.internals import enqueue
from rq_steps.jobs import alone, fetch, fields, forget_meta, persist
from rq_steps.lease import lease_key
from rq_steps.poison import bury, is_poison, tell_of_burial
from rq_steps.rate_limit import release_slot_of
from rq_steps.record import Run
from rq_steps.redis_clock import redis_now
from rq_steps.resume_queue import sibling
from rq_steps.stale_status import set_right
from rq_steps.store import CLAIM, DIED, ENDED, HEAD, last_completed, run_of, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue

_AT_ONCE = 100


class Found(NamedTuple):
    """What the job's hash says of a job that may be lost."""

    status: str
    worker_name: str
    claim: str
    head: bytes | None
    run: Run

    @property
    def is_running(self) -> bool:
        """Does an execution hold the job that has not come to its end, as far as is known?"""
        return bool(self.claim) and not self.claim.startswith((ENDED, DIED))

    @property
    def is_unbegun(self) -> bool:
        return self.status == JobStatus.QUEUED and not self.is_running

    @property
    def is_continuable(self) -> bool:
        return bool(self.claim or self.head)

    @property
    def is_lost(self) -> bool:
        """Started, or failed by RQ's own cleanup, which came first."""
        return self.status == JobStatus.STARTED or (
            self.status == JobStatus.FAILED and not self.claim.startswith((ENDED, DIED))
        )


def recover_lost(queues: Sequence[Queue]) -> int:
    """Put back the continuables whose lease has run out; answers how many.

    However many workers look, each job is put back once.
    """
    return sum(_recover_lost_of(queue) for queue in queues)


def recover(queue: Queue, job_id: str, *, counted: bool = True) -> bool:
    """Put back a continuable whose execution has died, or see it failed for good where that is due.

    Args:
        counted: does the death count towards the most at one place?
    """
    return _recover_where(queue, job_id, lambda found: found.is_lost, counted=counted)


def find(queue: Queue, job_id: str) -> Found | None:
    """The job as it stands in Redis; None where it is gone."""
    names = ("data", "status", "worker_name", CLAIM, HEAD, "created_at", "repeats_left")
    values = fields(queue.connection, queue.job_class.key_for(job_id), *names)
    data, status, worker_name, claim, head, created_at, repeats_left = values
    if data is None or status is None:
        return None
    run = run_of(created_at, repeats_left)
    return Found(text(status), text(worker_name), text(claim), head, run)


def is_over(queue: Queue, job_id: str) -> bool:
    """Is the job neither due nor running, whoever has seen to that?"""
    found = find(queue, job_id)
    return found is None or found.status not in (JobStatus.QUEUED, JobStatus.STARTED)


def _recover_lost_of(queue: Queue) -> int:
    connection = queue.connection
    key = lease_key(queue.name, connection)
    now = redis_now(connection)

    def is_due(job_id: str) -> bool:
        lease = connection.zscore(key, job_id)
        return lease is not None and lease <= now

    # To redis' types, it may have to be awaited.
    due: list[bytes] = connection.zrangebyscore(key, 0, now, start=0, num=_AT_ONCE)  # type: ignore[assignment]
    jobs = [each.decode() for each in due]
    return sum(alone(each, partial(_recover_due, queue, each, is_due)) for each in jobs)


def _recover_due(queue: Queue, job_id: str, is_due: Callable[[str], bool]) -> bool:
    recovered = _recover_where(queue, job_id, lambda found: is_due(job_id) and found.is_lost)
    if not recovered and is_due(job_id):
        _close_canceled(queue, job_id)
        queue.connection.zrem(lease_key(queue.name, queue.connection), job_id)
    return recovered


def _close_canceled(queue: Queue, job_id: str) -> None:
    """RQ forgets the executions of a job that is canceled: one may have died since."""
    job = fetch(queue, job_id)
    if job is not None and job.get_status(refresh=False) == JobStatus.CANCELED:
        close_at_once(open_executions(job), job, str(job.worker_name or ""))


def _recover_where(
    queue: Queue, job_id: str, is_lost: Callable[[Found], bool], *, counted: bool = True
) -> bool:
    with queue.connection.pipeline() as pipeline:
        while True:
            try:
                return _try_to_recover(queue, job_id, is_lost, counted, pipeline)
            except WatchError:
                continue


def _try_to_recover(
    queue: Queue,
    job_id: str,
    is_lost: Callable[[Found], bool],
    counted: bool,
    pipeline: Pipeline,
) -> bool:
    """Of all that try, one does: what the others have seen of the job is no longer so."""
    pipeline.watch(queue.job_class.key_for(job_id))  # type: ignore[no-untyped-call]  # of redis
    found, job = find(queue, job_id), fetch(queue, job_id)
    if found is None or job is None:
        return False
    if found.is_running and set_right(job, found.claim, found.status):
        raise WatchError  # somebody's stale save() had set it back
    if not is_lost(found):
        return False
    death = after_death(found.head, found.run, counted=counted)
    event = _event_of(job, death)
    _record_death(job, queue, found, death, event, pipeline)
    release_slot_of(job)
    publish(event)
    if event.failed:
        tell_of_burial(job, queue, death, event.place)
    return True


def _event_of(job: Job, death: Death) -> Died:
    after = last_completed(job, death.completed)
    return Died(job.id, death.step, death.cursor, after, death.deaths, is_poison(death))


def _record_death(
    job: Job, queue: Queue, found: Found, death: Death, event: Died, pipeline: Pipeline
) -> None:
    """The transaction: the job's executions are over, and it is put back or has failed."""
    executions = open_executions(job)
    pipeline.multi()
    close(executions, job, found.worker_name, pipeline)
    pipeline.zrem(lease_key(queue.name, queue.connection), job.id)
    pipeline.hset(job.key, CLAIM, f"{DIED}{found.claim}")
    if event.failed:
        bury(job, death, event.place, pipeline)
    else:
        _put_back(job, queue, death, pipeline)
    pipeline.execute()


def _put_back(job: Job, queue: Queue, death: Death, pipeline: Pipeline) -> None:
    job.failed_job_registry.remove(job, pipeline=pipeline)
    pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
    pipeline.delete(queue.intermediate_queue.get_first_seen_key(job.id))
    forget_meta(job)
    queue.remove(job.id, pipeline=pipeline)  # somebody else may have put it back
    target = sibling(queue, death.resume_queue)
    enqueue(target, job, pipeline, at_front=True)
    pipeline.sadd(target.redis_queues_keys, target.key)
    pipeline.hset(job.key, HEAD, death.head)
    persist(job, pipeline)

"""Jobs that die again and again at one place: they would take one worker after the other along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq.exceptions import AbandonedJobError
from rq.job import JobStatus
from rq.results import Result
from rq.timeouts import JobTimeoutException

from rq_steps.errors import ANOTHER_ROUND
from rq_steps.events import logger
from rq_steps.head import Death, revived
from rq_steps.jobs import forget_meta
from rq_steps.store import HEAD

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue

MOST_DEATHS = 3
"""A job that dies as often in a row at one place fails."""


def is_poison(death: Death) -> bool:
    """Has the job died often enough?"""
    return death.deaths >= MOST_DEATHS or death.too_many


def bury(job: Job, death: Death, place: str, pipeline: Pipeline) -> None:
    """Fail the job for good. Its record is kept, and `rq requeue` gives it another round."""
    why = why_buried(death, place)
    job.set_status(JobStatus.FAILED, pipeline=pipeline)
    pipeline.hset(job.key, HEAD, revived(death.head))
    forget_meta(job)
    job.failed_job_registry.add(job, ttl=job.failure_ttl, pipeline=pipeline, exc_string=why)
    Result.create_failure(job, job.failure_ttl, why, pipeline=pipeline)


def tell_of_burial(job: Job, queue: Queue, death: Death, place: str) -> None:
    """As RQ's own cleanup of abandoned jobs does."""
    why = why_buried(death, place)
    try:
        _call_back(job, queue, AbandonedJobError(why))
    except Exception:
        logger.exception("Job %s: its failure callback raised", job.id)
    queue.enqueue_dependents(job)
    if hasattr(job, "send_webhooks"):  # since RQ 3
        job.send_webhooks(JobStatus.FAILED, exc_string=why)


def _call_back(job: Job, queue: Queue, error: AbandonedJobError) -> None:
    callback, timeout = job.failure_callback, job.failure_callback_timeout
    if callback is None:
        return
    with queue.death_penalty_class(timeout, JobTimeoutException, job_id=job.id):
        callback(job, job.connection, type(error), error, None)


def why_buried(death: Death, place: str) -> str:
    """What the job fails with."""
    often = f"{death.deaths} times in a row {place}"
    if death.too_many:
        often = f"{place}, and was resumed as often as max_resumptions allows"
    return f"the job died {often}: {ANOTHER_ROUND}"

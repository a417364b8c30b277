"""RQ's jobs: fetched, and made ready for RQ to put them into Redis as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq.exceptions import NoSuchJobError

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue


def fetch(queue: Queue, job_id: str) -> Job | None:
    """The job, if it still exists."""
    try:
        job: Job = queue.job_class.fetch(job_id, queue.connection, queue.serializer)
    except NoSuchJobError:
        return None
    return job


def forget_meta(job: Job) -> None:
    """RQ writes the whole job, but no empty meta: what others wrote to it in Redis stays."""
    job.meta = {}


def persist(job: Job, pipeline: Pipeline) -> None:
    """RQ arms the ttl anew: a job that is half done must not vanish, nor may its dependents."""
    for key in (job.key, job.dependents_key, job.dependencies_key):
        pipeline.persist(key)

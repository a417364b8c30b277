"""RQ's jobs: fetched, and made ready for RQ to put them into Redis as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError, StopRequested

from rq_steps.events import logger

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue

_told_of: set[str] = set()
"""Jobs that cannot be put back: workers look again and again."""


def fetch(queue: Queue, job_id: str) -> Job | None:
    """The job, if it still exists."""
    try:
        job: Job = queue.job_class.fetch(job_id, queue.connection, queue.serializer)
    except NoSuchJobError:
        return None
    return job


def fields(connection: Redis, key: str, *names: str) -> list[bytes | None]:
    """Fields of a job's hash, of which some may not be there."""
    # To redis' types, it may have to be awaited.
    values: list[bytes | None] = connection.hmget(key, *names)  # type: ignore[assignment]
    return values


def alone(job_id: str, put_back: Callable[[], bool]) -> bool:
    """Was the job put back? One that cannot be read, as one of another RQ's, does not take along
    who looks at it: that would be one worker after the other. A request to shut down only comes
    by."""
    try:
        return put_back()
    except (RedisError, StopRequested):
        raise
    except Exception:
        if job_id not in _told_of:
            logger.exception("Job %s: cannot be put back", job_id)
        _told_of.add(job_id)
        return False


def forget_meta(job: Job) -> None:
    """RQ writes the whole job, but no empty meta: what others wrote to it in Redis stays."""
    job.meta = {}


def persist(job: Job, pipeline: Pipeline) -> None:
    """RQ arms the ttl anew: a job that is half done must not vanish, nor may its dependents."""
    for key in (job.key, job.dependents_key, job.dependencies_key):
        pipeline.persist(key)

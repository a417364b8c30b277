"""A stale save() writes the whole job, and so sets its status back while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rq.queue import Queue

from rq_steps.wire import script

if TYPE_CHECKING:
    from rq.job import Job

_PLACES: dict[str, Callable[[Queue], str]] = {
    "queued": lambda queue: queue.key,
    "scheduled": lambda queue: queue.scheduled_job_registry.key,
    "deferred": lambda queue: queue.deferred_job_registry.key,
    "ready_to_enqueue": lambda queue: queue.ready_job_registry.key,
    "failed": lambda queue: queue.failed_job_registry.key,
    "stopped": lambda queue: queue.failed_job_registry.key,
}
"""Where RQ keeps the jobs of a queue by their status."""

# A job that has finished and was enqueued again is in RQ's registry of finished ones all the same.
_NOWHERE = ("created", "finished")
_RATE_LIMITED = "rate_limited"


def set_right(job: Job, claim: str, status: str) -> bool:
    """Set the job to started again, unless it really is what its status says.

    That the job is canceled is never taken for stale.

    Args:
        claim: what stands in the field of that name.
        status: what the job's status reads.
    """
    if status not in (*_PLACES, *_NOWHERE, _RATE_LIMITED):
        return False
    keys = [job.key, *_places(job, status)]
    return bool(script(job.connection, "set_right")(keys=keys, args=[claim, job.id, status]))


def _places(job: Job, status: str) -> list[str]:
    if status == _RATE_LIMITED:
        from rq.rate_limit import RateLimitRegistry

        return [RateLimitRegistry.from_job(job).rate_limited_key] if job.has_rate_limit else []
    if status in _NOWHERE:
        return []
    stored: Any = job.connection.hget(job.key, "origin")  # somebody may have moved it
    names = {job.origin, stored.decode() if stored else job.origin}
    return [_PLACES[status](Queue(name, connection=job.connection)) for name in names]

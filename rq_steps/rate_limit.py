"""The rate-limit slot of a job, which RQ has since version 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rq.job import Job


def release_slot_of(job: Job) -> None:
    """A job that was requeued at once keeps its slot; one that waits, or is over, gives it back. RQ
    looks which it is."""
    try:
        from rq.rate_limit import RateLimitRegistry
    except ImportError:  # before RQ 3
        return
    if job.has_rate_limit:
        RateLimitRegistry.from_job(job).release_stale_and_enqueue(job.id)

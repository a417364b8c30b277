"""The rate-limit slot of a job, which RQ has since version 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rq.job import Job


def release_slot_of(job: Job, *, is_back: bool) -> None:
    """A slot is kept by a job that was requeued at once, and freed while one waits, or is over."""
    try:
        from rq.rate_limit import RateLimitRegistry, release_slot
    except ImportError:  # before RQ 3
        return
    if is_back:
        release_slot(job)
    elif job.has_rate_limit:
        RateLimitRegistry.from_job(job).release_stale_and_enqueue(job.id)

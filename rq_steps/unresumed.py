"""Tells of a continuable, or step, that a job calls and nobody would resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq_steps.current import is_rq_loaded
from rq_steps.events import logger

if TYPE_CHECKING:
    from rq.job import Job

_TOLD = "_rq_steps_told"


def tell_of_unresumed(what: str) -> None:
    """Warn of it where a worker performs a job, once a job: there it is hardly meant."""
    job = _performed()
    if job is None or _TOLD in vars(job):
        return
    vars(job)[_TOLD] = True
    logger.warning(
        "Job %s: %s is not what the job runs, and runs straight through, in memory: nobody "
        "resumes it. Enqueue a continuable itself; a decorator over it needs functools.wraps",
        job.id,
        what,
    )


def _performed() -> Job | None:
    if not is_rq_loaded():
        return None
    from rq_steps.performing import performed

    return performed()

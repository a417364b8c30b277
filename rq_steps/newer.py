"""A job whose record a newer rq_steps wrote: in a rolling deploy old workers meet it, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rq_steps.errors import NewerRecordError
from rq_steps.events import logger
from rq_steps.jobworker import JobWorker
from rq_steps.outcome import Outcome
from rq_steps.redis_clock import redis_now
from rq_steps.settings import NEWER_FOR, NEWER_WAIT
from rq_steps.store import CLAIM, ENDED, NEWER_SINCE

if TYPE_CHECKING:
    from rq.job import Job

REASON = "newer"


class Postponement:
    """Stands for the execution: it puts the job back, with a wait, for newer workers to find."""

    def __init__(self, job: Job, worker: JobWorker, token: str, error: NewerRecordError) -> None:
        self._job = job
        self._worker = worker
        self._token = token
        self._error = error

    def run(self, function: Callable[[], Any]) -> Any:
        """The function is not called: it would begin from the start.

        Raises:
            NewerRecordError: no newer worker has come for too long. The record is kept.
        """
        self._job.connection.hset(self._job.key, CLAIM, f"{ENDED}{self._token}")
        if self._seconds_waited() >= NEWER_FOR:
            self._job.connection.hdel(self._job.key, NEWER_SINCE)
            raise self._error
        logger.warning("Job %s: put back for %g s: %s", self._job.id, NEWER_WAIT, self._error)
        outcome = Outcome(token=self._token, reason=REASON, wait=NEWER_WAIT)
        return self._worker.outcome(outcome)

    def _seconds_waited(self) -> float:
        connection = self._job.connection
        seconds = int(redis_now(connection))
        if connection.hsetnx(self._job.key, NEWER_SINCE, str(seconds)):
            return 0.0
        since = connection.hget(self._job.key, NEWER_SINCE)
        return seconds - float(since or seconds)

"""A continuable on one of RQ's own workers: what those do not offer, got in other ways."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from rq.job import JobStatus
from rq.queue import Queue
from rq.worker import BaseWorker

from rq_steps.attention import Attention
from rq_steps.errors import StepsError
from rq_steps.events import logger
from rq_steps.lease import end_lease
from rq_steps.outcome import Outcome
from rq_steps.signals import ALARM, handling, ignoring, may_handle
from rq_steps.store import CLAIM, ENDED, SUPERSEDED

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job

READ_EVERY = 0.1
"""Seconds. Reading it costs as much as a save."""


class StockWorker:
    """Stands for the worker that runs a job, as far as the job can know it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = datetime.now(timezone.utc)
        self._told = False
        self._read_at = float("-inf")

    @property
    def key(self) -> str:
        return f"{BaseWorker.redis_worker_namespace_prefix}{self._job.worker_name}"

    @property
    def stopping(self) -> bool:
        """A stock worker notes it in its hash. However often asked, this reads it now and then."""
        if not self._told and monotonic() >= self._read_at + READ_EVERY:
            self._read_at = monotonic()
            self._told = self._job.connection.hexists(self.key, "shutdown_requested_date")
        return self._told

    def told_to_stop(self) -> None:
        self._told = True

    @contextmanager
    def calling(self, attention: Attention) -> Iterator[None]:
        """A stock worker tells nobody, it only writes it down: the next save sees that.

        SIGTERM sent to the work-horse itself would kill it at once, and is taken as such a request.
        """

        def stop() -> None:
            self.told_to_stop()
            attention.call()

        if not may_handle(signal.SIGTERM) or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
            yield
            return
        with handling(signal.SIGTERM, stop):
            yield

    def end_lease(self) -> None:
        """The execution has come to its end: what is left is RQ's, which may call back for long."""
        with ignoring(ALARM), suppress(RedisError):
            end_lease(self._job, str(self._job.worker_name), self._job.connection)

    def outcome(self, outcome: Outcome) -> Any:
        if outcome.lost:
            self._leave_quietly()
            self._refuse_resurrection(outcome)
        if outcome.wait and not self._has_scheduler():
            self._warn()
            outcome.intervals = [0]
        return outcome

    def _has_scheduler(self) -> bool:
        queue = Queue(self._job.origin, connection=self._job.connection)
        return queue.scheduler_pid is not None

    def _warn(self) -> None:
        global _warned
        level, _warned = (logging.DEBUG if _warned else logging.WARNING), True
        logger.log(
            level,
            "Job %s: resumes without a wait, since no scheduler runs: "
            "start `rq worker -w rq_steps.Worker`, or `--with-scheduler`",
            self._job.id,
        )

    def _leave_quietly(self) -> None:
        """End the work-horse: RQ has no other way to have nothing said of a job.

        Whatever is returned or raised would be written over another execution's status. A worker
        without a work-horse has no such way out, and is left to RQ.
        """
        pid = self._job.connection.hget(self.key, "pid")
        if pid is None or int(pid) == os.getpid():
            return
        self._clean_up()
        logging.shutdown()
        os._exit(os.EX_OK)

    def _refuse_resurrection(self, outcome: Outcome) -> None:
        """A worker without a work-horse: put back, a canceled job would run again.

        One that was superseded is put back all the same: it goes on from the record.
        """
        if outcome.reason == JobStatus.CANCELED:
            self._end_claim(outcome.token)
        if outcome.reason != SUPERSEDED:
            raise StepsError(f"the job was {outcome.reason} while it ran")

    def _end_claim(self, token: str) -> None:
        """RQ will call it failed: with a claim, our workers would take it for one that was lost."""

        def end(pipeline: Pipeline) -> None:
            is_ours = pipeline.hget(self._job.key, CLAIM) == token.encode()
            pipeline.multi()
            if is_ours:
                pipeline.hset(self._job.key, CLAIM, f"{ENDED}{token}")

        self._job.connection.transaction(end, self._job.key)

    def _clean_up(self) -> None:
        """Have RQ not take the execution for one whose worker died."""
        with self._job.connection.pipeline() as pipeline:
            for execution in self._own_execution():
                execution.delete(job=self._job, pipeline=pipeline)
            end_lease(self._job, str(self._job.worker_name), pipeline)
            pipeline.execute()

    def _own_execution(self) -> list[Execution]:
        """The last one begun before the continuable was: RQ does not tell a job its execution."""
        begun = [each for each in self._job.get_executions() if each.created_at <= self._began]
        return sorted(begun, key=lambda each: each.created_at)[-1:]


_warned = False

"""RQ's workers, made to interrupt continuables and to put them back."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

import rq.worker
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.job import Job
from rq.logutils import setup_loghandlers
from rq.queue import Queue

from rq_steps.attention import Attention
from rq_steps.deferral import Deferral
from rq_steps.events import logger
from rq_steps.execution import FINISHED_HERE
from rq_steps.outcome import Interrupted
from rq_steps.performing import performing
from rq_steps.promotion import promote_due
from rq_steps.requeue import put_back
from rq_steps.signals import handle, unsignalled
from rq_steps.store import reopen
from rq_steps.taking import Taking, give_back

if TYPE_CHECKING:
    from redis.client import Pipeline

    Base = rq.worker.Worker
else:
    Base = object


_STOPPING, _LISTENING = 0, 1


class ContinuableWorkerMixin(Base):
    """Goes over any worker class: `class MyWorker(ContinuableWorkerMixin, TheirWorker)`.

    A continuable that runs on it is interrupted when the worker is asked to shut down, and goes on
    where it was on the next worker; to RQ that is no failure.
    """

    promotion_interval = 1.0
    """Seconds between two looks for continuables whose wait is over."""

    _told_to_stop = False
    _attention: Attention | None = None
    _interrupted: Interrupted | None = None
    _promoted_at = float("-inf")

    @property
    def stopping(self) -> bool:
        """Is the worker shutting down? True from the request on, in its work-horse, too."""
        return self._told_to_stop or bool(self._shared[_STOPPING])

    @cached_property
    def _shared(self) -> mmap.mmap:
        """Two bytes that worker and work-horse share."""
        return mmap.mmap(-1, 2)

    @cached_property
    def _deferral(self) -> Deferral:
        return Deferral(signal.SIGTERM, signal.SIGINT)

    @cached_property
    def _taking(self) -> Taking:
        return Taking(self.connection)

    # What an execution asks of its worker

    def told_to_stop(self) -> None:
        """The worker's hash says so: for a spawned work-horse, which shares no memory."""
        if self.is_horse:
            self._told_to_stop = True

    @contextmanager
    def calling(self, attention: Attention) -> Iterator[None]:
        """While this lasts, a request to shut down calls for attention."""
        self._attention = attention
        self._shared[_LISTENING] = 1
        try:
            yield
        finally:
            self._shared[_LISTENING] = 0
            self._attention = None

    def outcome(self, interrupted: Interrupted) -> Interrupted:
        """Handed to RQ as it is: it comes back in `handle_job_retry`."""
        self._interrupted = interrupted
        return interrupted

    # Shutting down

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        if not self._taking.holds(signum):
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def handle_warm_shutdown_request(self) -> None:
        if os.getpid() == self.pid:  # and not a process that a job of a SimpleWorker's has forked
            self._shared[_STOPPING] = 1
            self._call_for_attention()
            self._tell_horse()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]

    def _tell_horse(self) -> None:
        """Have it look at the shared byte at once; not if it runs a plain job, whose own handler
        may take the signal for more than it is."""
        if self.horse_pid and self._horse_listens:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    @property
    def _horse_listens(self) -> bool:
        return bool(self._shared[_LISTENING])

    def setup_work_horse_signals(self) -> None:
        """SIGTERM to the work-horse itself means the same: systemd and Heroku send it to all."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        handle(signal.SIGTERM, self._stop_horse)
        self._deferral.over_in_child()

    def _stop_horse(self) -> None:
        self._told_to_stop = True
        self._call_for_attention()

    def _call_for_attention(self) -> None:
        if self._attention is not None:
            self._attention.call()

    def subscribe(self) -> None:
        """Have the thread leave SIGTERM to the worker's own, which it could keep waiting."""
        with unsignalled():
            super().subscribe()  # type: ignore[no-untyped-call]

    def unsubscribe(self) -> None:
        """Have the thread end when it wakes: RQ wakes it first, and may then wait for a second."""
        if self.pubsub_thread:
            self.pubsub_thread.stop()
        super().unsubscribe()  # type: ignore[no-untyped-call]

    # Performing jobs

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """A signal between the fork and the horse's own handlers would run the worker's in it."""
        self._shared[_LISTENING] = 0
        with self._deferral:
            super().fork_work_horse(job, queue)

    def perform_job(self, job: Job, *args: Any, **kwargs: Any) -> bool:
        self._interrupted = None
        with performing(self):
            return super().perform_job(job, *args, **kwargs)

    def handle_job_retry(
        self,
        job: Job,
        queue: Queue,
        retry: Any,
        started_job_registry: Any,
        execution: Any,
    ) -> None:
        if isinstance(retry, Interrupted):
            put_back(self, job, queue, retry, execution)
        else:
            super().handle_job_retry(job, queue, retry, started_job_registry, execution)

    def handle_job_success(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> None:
        """A decorator over the continuable may have wrapped what it returned when it left."""
        if self._interrupted is None:
            super().handle_job_success(job, queue, *args, **kwargs)
            return
        self.log.error(
            "Job %s: interrupted, but a decorator over @continuable returned something else: "
            "put that decorator below @continuable",
            job.id,
        )
        execution: Any = kwargs.get("execution") or self.execution
        put_back(self, job, queue, self._interrupted, execution)

    def handle_job_failure(self, job: Job, *args: Any, **kwargs: Any) -> None:
        """A continuable that returned, and whose callback failed, has not finished: `rq requeue`
        goes on with it."""
        if FINISHED_HERE in vars(job):
            reopen(job)
        super().handle_job_failure(job, *args, **kwargs)

    # Waiting

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wakes up often enough to see a wait that is over."""
        if timeout is not None:
            timeout = max(1, min(timeout, int(self.promotion_interval)))
        self._taking.begin(waits=timeout is not None)
        taken = None
        try:
            taken = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
        finally:
            if taken is None:
                self._let_stop()
        if taken is not None and self._taking.told:
            give_back(*taken)
            self._let_stop()
        return taken

    def reorder_queues(self, reference_queue: Queue) -> None:
        self._taking.received()
        super().reorder_queues(reference_queue)

    def prepare_execution(self, job: Job) -> Any:
        execution = super().prepare_execution(job)
        self._let_stop()
        return execution

    def _let_stop(self) -> None:
        """Let a request pass that was held back, and those that come from now on."""
        signum = self._taking.end()
        if signum is not None:
            super().request_stop(signum, None)  # type: ignore[no-untyped-call]

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        if self._taking.told_in_vain:
            self._let_stop()
        super().heartbeat(timeout, pipeline)
        if not self.is_horse and monotonic() >= self._promoted_at + self.promotion_interval:
            self._promoted_at = monotonic()
            promote_due(self.queues)

    # Logging

    def bootstrap(
        self,
        logging_level: str | None = "INFO",
        date_format: str = DEFAULT_LOGGING_DATE_FORMAT,
        log_format: str = DEFAULT_LOGGING_FORMAT,
    ) -> None:
        super().bootstrap(logging_level, date_format, log_format)
        setup_loghandlers(None, date_format, log_format, logger.name)


class Worker(ContinuableWorkerMixin, rq.worker.Worker):
    """`rq.Worker`, which interrupts and resumes continuables."""


class SimpleWorker(ContinuableWorkerMixin, rq.worker.SimpleWorker):
    """`rq.SimpleWorker`, which interrupts and resumes continuables."""


class SpawnWorker(ContinuableWorkerMixin, rq.worker.SpawnWorker):
    """`rq.worker.SpawnWorker`, which interrupts and resumes continuables. Needs RQ 3."""

    _horse_listens = True  # as far as can be known: they share no memory

    def setup_work_horse_signals(self) -> None:
        """In a process of its own, which has inherited no handlers, the lines would be lost."""
        super().setup_work_horse_signals()
        setup_loghandlers(name=logger.name)

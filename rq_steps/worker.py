"""RQ's workers, made to interrupt continuables and to put them back."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

import rq.worker
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.job import Job
from rq.logutils import setup_loghandlers
from rq.queue import Queue
from rq.version import VERSION

import rq_steps.decorators  # noqa: F401  # jobs import it: else that of an upgrade under the worker
from rq_steps.attention import Attention
from rq_steps.deferral import Deferral
from rq_steps.events import logger
from rq_steps.execution import Execution
from rq_steps.heirs import (
    disinherit_children,
    forking_horse,
    is_of_stopped_pool,
    let_inherit,
    release_locks_of_killed,
)
from rq_steps.idle import IdlerMixin
from rq_steps.internals import is_to_be_stopped, note_begin, take_signals
from rq_steps.outcome import Outcome
from rq_steps.parent_death import signal_when_parent_dies
from rq_steps.patience import AWAY, patiently
from rq_steps.performing import performing
from rq_steps.promotion import promote_due
from rq_steps.requeue import put_back
from rq_steps.signals import handle, unsignalled
from rq_steps.survivor import SurvivorMixin

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.worker import BaseWorker

    Base = rq.worker.Worker
else:
    Base = object


_STOPPING, _LISTENING = 0, 1


def _refuse_to_come_second(cls: type) -> None:
    """The methods of RQ's class would hide ours, and the worker would be a stock one."""
    above = cls.__mro__[: cls.__mro__.index(ContinuableWorkerMixin)]
    hiding = [base.__name__ for base in above if base.__module__.partition(".")[0] == "rq"]
    if hiding:
        ours_first = sorted(cls.__bases__, key=lambda base: not _is_ours(base))
        bases = ", ".join(base.__name__ for base in ours_first)
        raise TypeError(
            f"{cls.__name__}: ContinuableWorkerMixin comes after RQ's {hiding[0]}: write it first, "
            f"as in class {cls.__name__}({bases})"
        )


def _is_ours(cls: type) -> bool:
    return issubclass(cls, ContinuableWorkerMixin)


class ContinuableWorkerMixin(IdlerMixin, SurvivorMixin, Base):
    """Goes over any worker class: `class MyWorker(ContinuableWorkerMixin, TheirWorker)`.

    A continuable that runs on it is interrupted when the worker is asked to shut down, and goes on
    where it was on the next worker; to RQ that is no failure.
    """

    promotion_interval = 1.0
    """Seconds between two looks for continuables whose wait is over."""

    _execution_class: type[Execution] = Execution
    _told_to_stop = False
    _attention: Attention | None = None
    _concludes = False
    _outcome: Outcome | None = None
    _promoted_at = float("-inf")

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _refuse_to_come_second(cls)

    @property
    def stopping(self) -> bool:
        """Is the worker shutting down? True from the request on, in its work-horse, too."""
        return self._told_to_stop or bool(self._shared[_STOPPING]) or self._is_orphan

    @property
    def _is_orphan(self) -> bool:
        """Has the worker of this work-horse died? Linux sends a signal then, others do not."""
        return self.is_horse and os.getppid() != self.pid

    @cached_property
    def _shared(self) -> mmap.mmap:
        """Two bytes that worker and work-horse share."""
        return mmap.mmap(-1, 2)

    @cached_property
    def _deferral(self) -> Deferral:
        return Deferral(signal.SIGTERM, signal.SIGINT)

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
            self._concludes = True

    def outcome(self, outcome: Outcome) -> Outcome:
        """Handed to RQ as it is: it comes back in `handle_job_retry`."""
        self._outcome = outcome
        return outcome

    # Shutting down

    def handle_warm_shutdown_request(self) -> None:
        if os.getpid() == self.pid:  # and not a process that a job of a SimpleWorker's has forked
            self._shared[_STOPPING] = 1
            self._call_for_attention()
            self._tell_horse()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]  # of RQ

    def _tell_horse(self) -> None:
        """Have it look at the shared byte at once; not if it runs a plain job, whose own handler
        may take the signal for more than it is."""
        if self.horse_pid and self._horse_listens:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    @property
    def _horse_listens(self) -> bool:
        """A spawned one shares no memory: as far as can be known, it does."""
        return isinstance(self, rq.worker.SpawnWorker) or bool(self._shared[_LISTENING])

    def setup_work_horse_signals(self) -> None:
        """SIGTERM to the work-horse itself means the same: systemd and Heroku send it to all."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]  # of RQ
        handle(signal.SIGTERM, self._stop_horse)
        self._deferral.over_in_child()
        self._stop_when_worker_dies()
        setup_loghandlers(name=logger.name)  # a spawned one has inherited no handlers

    def _stop_when_worker_dies(self) -> None:
        """The kernel tells a work-horse of that by SIGTERM; or it has died already."""
        if os.getpid() == self.pid:
            return
        signal_when_parent_dies(signal.SIGTERM)
        if os.getppid() != self.pid:
            self._stop_horse()

    def _stop_horse(self) -> None:
        self._told_to_stop = True
        self._call_for_attention()

    def _call_for_attention(self) -> None:
        if self._attention is not None:
            self._attention.call()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A worker without a work-horse is cut off where it is, but not on the job's way back."""
        if not self._concludes:
            super().request_force_stop(signum, frame)

    def subscribe(self) -> None:
        """Have the thread leave SIGTERM to the worker's own, which it could keep waiting."""
        with unsignalled():
            super().subscribe()  # type: ignore[no-untyped-call]  # of RQ

    def unsubscribe(self) -> None:
        """Have the thread end when it wakes: RQ wakes it first, and may then wait for a second."""
        if self.pubsub_thread:
            self.pubsub_thread.stop()
        super().unsubscribe()  # type: ignore[no-untyped-call]  # of RQ

    # Performing jobs

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """A signal between the fork and the horse's own handlers would run the worker's in it."""
        self._shared[_LISTENING] = 0
        with self._deferral, forking_horse():
            super().fork_work_horse(job, queue)
        if self.stopping:  # since before there was a work-horse
            self._tell_horse()
        if is_to_be_stopped(self, job):  # the same
            self.kill_horse()

    def kill_horse(self, *args: Any, **kwargs: Any) -> None:
        """RQ kills the group that the work-horse is in: without one, and as long as it has not made
        a group of its own, that would be the worker's. A command may come at any moment."""
        if not self.horse_pid:
            return
        with suppress(OSError):  # it is gone, or in its own group already
            os.setpgid(self.horse_pid, self.horse_pid)
        super().kill_horse(*args, **kwargs)

    def perform_job(self, job: Job, *args: Any, **kwargs: Any) -> bool:
        self._outcome = None
        vars(job)["perform"] = partial(self._perform, job)
        try:
            with performing(self, self._execution_class):
                return super().perform_job(job, *args, **kwargs)
        finally:
            self._concludes = False

    def _perform(self, job: Job) -> Any:
        """What a continuable returns when it leaves is what RQ is told, whatever decorators over it
        have made of that."""
        result, error = None, None
        try:
            result = _begin_patiently(job)
        except BaseException as raised:
            if self._outcome is None:
                raise
            error = raised
        if self._outcome is None or result is self._outcome:
            return result
        self.log.error(
            "Job %s: interrupted, but a decorator over @continuable made something else of it: "
            "put that decorator below @continuable",
            job.id,
            exc_info=error,
        )
        return self._outcome

    def handle_job_retry(
        self,
        job: Job,
        queue: Queue,
        retry: Any,
        started_job_registry: Any,
        execution: Any,
    ) -> None:
        if isinstance(retry, Outcome):
            back = partial(put_back, self, job, queue, retry, execution)
            patiently(back, f"Job {job.id}")
        else:
            super().handle_job_retry(job, queue, retry, started_job_registry, execution)

    # Waiting

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        super().heartbeat(timeout, pipeline)
        if not self.is_horse and monotonic() >= self._promoted_at + self.promotion_interval:
            self._promoted_at = monotonic()
            with suppress(*AWAY):
                promote_due(self.queues)

    def teardown(self) -> None:
        super().teardown()
        let_inherit(self)
        if self.scheduler and not self.is_horse:
            with suppress(*AWAY):
                release_locks_of_killed(self.scheduler)

    # Logging

    def bootstrap(
        self,
        logging_level: str | None = "INFO",
        date_format: str = DEFAULT_LOGGING_DATE_FORMAT,
        log_format: str = DEFAULT_LOGGING_FORMAT,
    ) -> None:
        _refuse_to_spawn_before_rq_3(self)
        disinherit_children(self)
        self._shared[_LISTENING] = 0  # there are these bytes before a handler looks for them
        super().bootstrap(logging_level, date_format, log_format)
        setup_loghandlers(None, date_format, log_format, logger.name)
        self._take_signals()

    def _take_signals(self) -> None:
        """Before the scheduler is forked: Python drops what a handler raises at a fork. In a worker
        of a pool the pool's handlers have run so far, for a copy of it that nobody asks."""
        so_far = signal.getsignal(signal.SIGTERM)
        take_signals(self)
        if is_of_stopped_pool(so_far):
            self.request_stop(signal.SIGTERM, None)


def _begin_patiently(job: Job) -> Any:
    """That Redis is away before the job's function is called is no fault of the job."""
    begun: list[bool] = []
    note_begin(job, lambda: begun.append(True))

    def perform() -> tuple[Any, BaseException | None]:
        try:
            return type(job).perform(job), None
        except AWAY as error:
            if not begun:
                raise
            return None, error

    result, error = patiently(perform, f"Job {job.id}")
    if error is not None:
        raise error
    return result


class Worker(ContinuableWorkerMixin, rq.worker.Worker):
    """`rq.Worker`, which interrupts and resumes continuables."""


class SimpleWorker(ContinuableWorkerMixin, rq.worker.SimpleWorker):
    """`rq.SimpleWorker`, which interrupts and resumes continuables."""


class SpawnWorker(ContinuableWorkerMixin, rq.worker.SpawnWorker):
    """`rq.worker.SpawnWorker`, which interrupts and resumes continuables. Needs RQ 3."""


def _refuse_to_spawn_before_rq_3(worker: BaseWorker) -> None:
    """There the work-horse is RQ's own Worker, whatever class spawns it."""
    if isinstance(worker, rq.worker.SpawnWorker) and int(VERSION.partition(".")[0]) < 3:
        raise RuntimeError(
            f"{type(worker).__name__} needs RQ 3, found {VERSION}, whose SpawnWorker performs jobs "
            "with RQ's own Worker: use rq_steps.Worker"
        )

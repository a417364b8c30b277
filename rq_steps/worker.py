"""RQ's workers, made to interrupt continuables and to put them back."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import rq.worker
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.job import Job
from rq.logutils import setup_loghandlers
from rq.queue import Queue
from rq.version import VERSION

import rq_steps.decorators  # noqa: F401  # jobs import it: else that of an upgrade under the worker
from rq_steps.events import logger
from rq_steps.execution import Execution
from rq_steps.heirs import disinherit_children, let_inherit, release_locks_of_killed
from rq_steps.idle import IdlerMixin
from rq_steps.internals import note_begin
from rq_steps.outcome import Outcome
from rq_steps.patience import AWAY, patiently
from rq_steps.performing import performing
from rq_steps.promotion import promote_due
from rq_steps.requeue import put_back
from rq_steps.stopping import StoppingMixin
from rq_steps.survivor import SurvivorMixin

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.worker import BaseWorker

    Base = rq.worker.Worker
else:
    Base = object


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


class ContinuableWorkerMixin(StoppingMixin, IdlerMixin, SurvivorMixin, Base):
    """Goes over any worker class: `class MyWorker(ContinuableWorkerMixin, TheirWorker)`.

    A continuable that runs on it is interrupted when the worker is asked to shut down, and goes on
    where it was on the next worker; to RQ that is no failure.
    """

    promotion_interval = 1.0
    """Seconds between two looks for continuables whose wait is over."""

    _execution_class: type[Execution] = Execution
    _outcome: Outcome | None = None
    _promoted_at = float("-inf")

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _refuse_to_come_second(cls)

    # Performing jobs

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

    def outcome(self, outcome: Outcome) -> Outcome:
        """Handed to RQ as it is: it comes back in `handle_job_retry`."""
        self._outcome = outcome
        return outcome

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
        super().bootstrap(logging_level, date_format, log_format)
        setup_loghandlers(None, date_format, log_format, logger.name)


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

"""What a worker does about the deaths of its work-horses and of other workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any

from rq.job import JobStatus

from rq_steps.books import close_all_but, close_at_once, is_open, let_go, naming
from rq_steps.children import ends_within
from rq_steps.endurance import EnduranceMixin
from rq_steps.execution import FINISHED_HERE
from rq_steps.internals import forget_stopped_job
from rq_steps.lease import end_lease, has_lease, take_lease, vouch_for
from rq_steps.patience import AWAY, GaveUp, patiently
from rq_steps.performing import is_continuable
from rq_steps.recovery import Found, find, is_over, recover, recover_lost
from rq_steps.settings import LOOK_EVERY, RENEW_EVERY
from rq_steps.store import reopen
from rq_steps.unbegun import (
    forget_seen,
    put_back_unbegun,
    rescue_unbegun,
    spare_unbegun,
    takes_through_intermediate,
)

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job
    from rq.queue import Queue


MOST_FALSE_STARTS = 3
"""When so many work-horses in a row have died before they began a job, it is RQ's to fail it."""


class SurvivorMixin(EnduranceMixin):
    """Puts back the jobs of those who died, its own work-horses and other workers."""

    recovery_interval = LOOK_EVERY
    """Seconds between two looks for jobs whose worker died."""

    _execution: Execution | None = None
    _vouch: Callable[[], None] | None = None
    _horse_died = False
    _goes_down = False
    _false_starts: Mapping[str, int] = MappingProxyType({})
    _looked_at = float("-inf")

    # Its own work-horse

    def perform_job(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> bool:
        """While this worker was frozen, waited for Redis or imported the job, others may have taken
        it for dead: then the job may be another worker's by now."""
        execution = self._execution or getattr(self, "execution", None)
        if execution is None:
            return super().perform_job(job, queue, *args, **kwargs)
        is_ours = self._takes_lease if self._is_continuable(job) else self._still_holds

        def may_begin() -> bool:
            # Nobody puts it back until it is started, however long it was imported.
            vouch_for(job, queue, execution, self.name)
            return is_ours(job, queue, execution)

        if not patiently(may_begin, self.who):
            self._close_execution(job, execution)
            return False
        return super().perform_job(job, queue, *args, **kwargs)

    def _is_continuable(self, job: Job) -> bool:
        """To tell, it is imported; without a work-horse, a cold shutdown ends that, too."""
        result = is_continuable(job)
        if self._goes_down:
            raise SystemExit
        return result

    def _still_holds(self, job: Job, _queue: Queue, execution: Execution) -> bool:
        return is_open(execution, job)

    def _takes_lease(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """A continuable has its lease before RQ calls it started: so it is found if it is lost. It
        may have finished meanwhile, or been canceled."""
        through = takes_through_intermediate(self.queues)
        if not take_lease(job, queue, execution, through_intermediate=through):
            return False
        close_all_but(execution, job)
        return True

    def cleanup_execution(self, job: Job, pipeline: Pipeline, *args: Any, **kwargs: Any) -> None:
        """With RQ's books on an execution closed, nobody need look after it any more."""
        super().cleanup_execution(job, pipeline, *args, **kwargs)
        end_lease(job, self.name, pipeline)
        forget_seen(job, pipeline)

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._execution = None
        forget_stopped_job(self)
        try:
            super().execute_job(job, queue)
        except SystemExit:  # a cold shutdown, which has killed the work-horse
            with suppress(*AWAY):  # then others will find the job
                self._recover(job, queue, counted=False)
            raise
        except (*AWAY, GaveUp):
            self.wait_for_redis(lambda: self._recover(job, queue))
        else:
            self.wait_for_redis(lambda: self._recover_what_is_left(job, queue))

    def _recover_what_is_left(self, job: Job, queue: Queue) -> None:
        """The work-horse may have left by `os._exit(0)`; or have died before it saw that others had
        done the job, which RQ takes for done by it."""
        if not self._is_open(job):
            return
        if has_lease(job):
            self._recover(job, queue)
        elif self._execution is not None and is_over(queue, job.id):
            self._close_execution(job, self._execution)

    def prepare_execution(self, job: Job) -> Execution:
        self._execution = super().prepare_execution(job)
        return self._execution

    def monitor_work_horse(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> None:
        """RQ asks what has become of the job when the work-horse has died."""
        if self._execution is not None:
            self._vouch = partial(vouch_for, job, queue, self._execution, self.name)
        try:
            super().monitor_work_horse(job, queue, *args, **kwargs)
        except AWAY:
            if self.horse_pid and not ends_within(self.horse_pid, 0):
                self.monitor_work_horse(job, queue, *args, **kwargs)
            else:
                self.wait_for_redis(lambda: self._see_it_dead(job, queue))

    def _see_it_dead(self, job: Job, queue: Queue) -> None:
        found = find(queue, job.id)
        if found is None or found.status in (JobStatus.FINISHED, JobStatus.FAILED):
            return
        self._horse_died = True
        named = naming(self._execution, self)
        self.handle_job_failure(job, queue, exc_string="Work-horse terminated", **named)

    def wait_for_horse(self) -> Any:
        """Code that lets no thread run makes a work-horse deaf, and is no death; nor is a module
        that takes long to be imported."""
        while self._vouch and not ends_within(self.horse_pid, RENEW_EVERY):
            with suppress(*AWAY):
                self._vouch()
        return super().wait_for_horse()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Once is enough: a further signal would cut the job off on its way back."""
        if self._goes_down:
            return
        try:
            super().request_force_stop(signum, frame)
        except SystemExit:
            self._goes_down = True
            raise

    def handle_work_horse_killed(self, *args: Any, **kwargs: Any) -> None:
        super().handle_work_horse_killed(*args, **kwargs)  # type: ignore[no-untyped-call]  # of RQ
        self._horse_died = True

    def handle_job_failure(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> None:
        """A job whose work-horse died has not failed.

        A continuable that returned, and whose callback failed, has not finished: `rq requeue` goes
        on with it.
        """
        died, self._horse_died = self._horse_died, False
        if died and self._recover(job, queue):
            return
        if FINISHED_HERE in vars(job):
            reopen(job)
        super().handle_job_failure(job, queue, *args, **kwargs)

    def _recover(self, job: Job, queue: Queue, *, counted: bool = True) -> bool:
        """Deal with a job whose work-horse is gone. False where that is left to RQ."""
        found = find(queue, job.id)
        if found is None:
            return False
        if found.is_unbegun and (self._execution is None or self._is_open(job)):
            return self._start_again(job, queue)
        if self._execution is not None and self._is_taken_away(job, found):
            self._close_execution(job, self._execution)
            return True
        if not found.is_continuable and not has_lease(job):
            return False
        if found.worker_name == self.name:
            recover(queue, job.id, counted=counted)
            self._close_books(job)
        elif self._execution is not None:  # the lease is somebody else's
            self._close_execution(job, self._execution)
        return True

    def _start_again(self, job: Job, queue: Queue) -> bool:
        """Not where one work-horse after the other dies before it has begun this job."""
        starts = self._false_starts.get(job.id, 0) + 1
        if starts == MOST_FALSE_STARTS:
            self._false_starts = {}
            return False
        self._false_starts = {job.id: starts}
        put_back_unbegun(queue, job, self.name)
        return True

    def _is_taken_away(self, job: Job, found: Found) -> bool:
        """Have others put back the job, or canceled it before it was begun? To put it back they
        close RQ's books on it, and RQ itself does so where a job is canceled that runs."""
        if found.status == JobStatus.CANCELED:
            return self._is_open(job)
        runs_elsewhere = found.status == JobStatus.STARTED and found.worker_name != self.name
        return (found.is_unbegun or runs_elsewhere) and not self._is_open(job)

    def _is_open(self, job: Job) -> bool:
        """Do RQ's books have it that the execution still runs?"""
        return self._execution is not None and is_open(self._execution, job)

    def _close_books(self, job: Job) -> None:
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline, **naming(self._execution, self))
            pipeline.execute()

    def _close_execution(self, job: Job, execution: Execution) -> None:
        close_at_once([execution], job, self.name)
        let_go(execution, self)

    # Other workers

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        super().heartbeat(timeout, pipeline)
        if not self.is_horse and monotonic() >= self._looked_at + self.recovery_interval:
            self._looked_at = monotonic()
            with suppress(*AWAY):
                self.be_known()
                recover_lost(self.queues)
                rescue_unbegun(self.queues)

    def clean_registries(self) -> None:
        """RQ fails what it finds lost here; most of it goes on."""
        recover_lost(self.queues)
        for queue in self.queues:
            spare_unbegun(queue)
        super().clean_registries()  # type: ignore[no-untyped-call]  # of RQ

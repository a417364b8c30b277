"""A worker does not end because Redis is away for a while, and neither does its job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

import rq.worker
from rq.exceptions import StopRequested

from rq_steps.books import close_at_once, held_by, let_go
from rq_steps.patience import AWAY, GaveUp, patiently

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job
    from rq.queue import Queue

    class Base(rq.worker.Worker):
        @property
        def stopping(self) -> bool:
            """Is the worker shutting down?"""
else:
    Base = object


class EnduranceMixin(Base):
    """Waits wherever RQ would quit. Most of RQ's loop around a job talks to Redis unguarded."""

    max_connection_wait_time = 5.0

    _has_taken = False

    def wait_for_redis(self, call: Callable[[], object]) -> None:
        """Call; while Redis is away again and again, until the worker is to shut down."""
        with suppress(GaveUp):
            patiently(call, self.who, outage=inf, leaving=lambda: self.stopping)

    @property
    def who(self) -> str:
        """Names the worker in the log."""
        return f"Worker {self.name}"

    # Between two jobs

    def check_for_suspension(self, burst: bool) -> None:
        self.wait_for_redis(lambda: super(EnduranceMixin, self).check_for_suspension(burst))

    def run_maintenance_tasks(self) -> None:
        with suppress(*AWAY):
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]  # of RQ

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        with suppress(*AWAY):
            super().set_state(state, pipeline)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        self._has_taken = False
        return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)

    def reorder_queues(self, reference_queue: Queue) -> None:
        """RQ calls this when it has taken a job."""
        self._has_taken = True
        super().reorder_queues(reference_queue)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Where it fails, RQ takes no job, but waits and heeds no signal: one that came is heeded
        here."""
        try:
            super().heartbeat(timeout, pipeline)
        except AWAY:
            if self.stopping and not self._has_taken:
                raise StopRequested from None

    def be_known(self) -> None:
        """Redis may have come back without its data."""
        is_born = self.birth_date is not None
        if is_born and not self.connection.hexists(self.key, "queues"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]  # of RQ
            self.set_state(self.get_state())

    def teardown(self) -> None:
        with suppress(*AWAY):
            super().teardown()  # type: ignore[no-untyped-call]  # of RQ

    # Around a job

    def prepare_execution(self, job: Job) -> Execution:
        """An attempt that fails leaves an execution with the worker, which would be taken for that
        of every job to come; and in Redis, where only the answer was lost."""
        left: list[Execution] = []

        def prepare() -> Execution:
            if left:
                close_at_once(left, job, self.name)
            before = held_by(self)
            try:
                return super(EnduranceMixin, self).prepare_execution(job)
            except AWAY:
                left.extend(each for each in held_by(self) if each not in before)
                for each in left:
                    let_go(each, self)
                raise

        return patiently(prepare, self.who)

    def maintain_heartbeats(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().maintain_heartbeats(*args, **kwargs)
        except AWAY as error:
            self.log.warning("%s: no heartbeat, Redis is away: %s", self.who, error)

    def set_current_job_working_time(self, *args: Any, **kwargs: Any) -> None:
        """Before RQ 3; called while the work-horse runs."""
        with suppress(*AWAY):
            super().set_current_job_working_time(*args, **kwargs)  # type: ignore[misc]  # gone in RQ 3

    # In the work-horse

    def prepare_job_execution(self, *args: Any, **kwargs: Any) -> None:
        patiently(
            lambda: super(EnduranceMixin, self).prepare_job_execution(*args, **kwargs), self.who
        )

    def handle_execution_ended(self, *args: Any, **kwargs: Any) -> None:
        """RQ calls this again when it is about to call the job failed: to give up is no failure."""
        error = sys.exc_info()[1]
        if isinstance(error, GaveUp):
            raise error
        patiently(
            lambda: super(EnduranceMixin, self).handle_execution_ended(*args, **kwargs),
            self.who,
        )

    def handle_job_success(self, job: Job, *args: Any, **kwargs: Any) -> None:
        repeats = job.repeats_left, job.repeat_intervals

        def handle() -> None:
            job.repeats_left, job.repeat_intervals = repeats
            super(EnduranceMixin, self).handle_job_success(job, *args, **kwargs)

        patiently(handle, self.who)

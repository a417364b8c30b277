"""Worker classes of somebody else's, with the mixin over them."""

from __future__ import annotations

import os
import signal
from typing import Any

import rq.worker
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue

from rq_steps import ContinuableWorkerMixin

MOMENT = "MOMENT_OF_SIGTERM"


class TheirWorker(rq.worker.Worker):
    """Counts its jobs before it performs them."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        self.connection.incr("their jobs")
        super().execute_job(job, queue)


class OverTheirs(ContinuableWorkerMixin, TheirWorker):
    pass


class OverHeroku(ContinuableWorkerMixin, rq.worker.HerokuWorker):
    pass


class OverSpawning(ContinuableWorkerMixin, rq.worker.SpawnWorker):
    pass


class BelowTheMixin(rq.worker.Worker):
    """What happens when a job has been taken, and while a work-horse is made for it."""

    def dequeue_job_and_maintain_ttl(self, *args: Any, **kwargs: Any) -> tuple[Job, Queue] | None:
        taken = super().dequeue_job_and_maintain_ttl(*args, **kwargs)
        sigterm_if(self, "taken", os.getpid())
        return taken

    def prepare_execution(self, job: Job) -> Execution:
        sigterm_if(self, "preparing", os.getpid())
        return super().prepare_execution(job)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        sigterm_if(self, "forking", os.getpid())
        super().fork_work_horse(job, queue)
        sigterm_if(self, "forked", os.getpid())

    def setup_work_horse_signals(self) -> None:
        sigterm_if(self, "unprepared", os.getpid())
        sigterm_if(self, "unprepared, and its worker", os.getpid(), os.getppid())
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]


class AboveTheMixin(rq.worker.Worker):
    """What happens just before and just after."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        sigterm_if(self, "not yet busy", os.getpid())
        super().execute_job(job, queue)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        sigterm_if(self, "busy", os.getpid())
        super().fork_work_horse(job, queue)

    def perform_job(self, job: Job, *args: Any, **kwargs: Any) -> bool:
        sigterm_if(self, "prepared", os.getpid())
        return super().perform_job(job, *args, **kwargs)


class Told(AboveTheMixin, ContinuableWorkerMixin, BelowTheMixin):
    """Told to stop at the moment that the environment names, once."""


class ToldAtOnce(ContinuableWorkerMixin, rq.worker.Worker):
    """Told to stop as soon as it has handlers: RQ's loop, which catches the stop, has not begun."""

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        os.kill(os.getpid(), signal.SIGTERM)


class ToldSpawning(AboveTheMixin, ContinuableWorkerMixin, BelowTheMixin, rq.worker.SpawnWorker):
    """The same with a work-horse that is spawned."""


class LateRiser(rq.worker.Worker):
    """Waits for a job longer than any test, whatever it is told."""

    def dequeue_job_and_maintain_ttl(self, *_args: Any, **_kwargs: Any) -> tuple[Job, Queue] | None:
        return super().dequeue_job_and_maintain_ttl(300)


class SoundAsleep(ContinuableWorkerMixin, LateRiser):
    pass


class StillbornScheduler(ContinuableWorkerMixin, rq.worker.Worker):
    """Its scheduler does not come as far as to have handlers of its own."""

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        super().bootstrap(*args, **kwargs)
        os.register_at_fork(after_in_child=signal.pause)


class ShortlivedScheduler(ContinuableWorkerMixin, rq.worker.Worker):
    """Its scheduler is stopped before it has come to its first line."""

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
        super().bootstrap(*args, **kwargs)


class InterruptedScheduler(ContinuableWorkerMixin, rq.worker.Worker):
    """Its scheduler hears of Ctrl+C, and is stopped, before it has handlers of its own."""

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        super().bootstrap(*args, **kwargs)
        os.register_at_fork(after_in_child=self._be_interrupted)

    def _be_interrupted(self) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.write(1, b"interrupted\n")
            signal.pause()


class AskedAtTheFork(ContinuableWorkerMixin, rq.worker.Worker):
    """Asked to stop while it forks its scheduler, where Python drops what a handler raises."""

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        super().bootstrap(*args, **kwargs)
        os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))


def sigterm_if(worker: rq.worker.Worker, moment: str, *pids: int) -> None:
    if os.environ.get(MOMENT) == moment and worker.connection.setnx("sigterm sent", moment):
        for pid in pids:
            os.kill(pid, signal.SIGTERM)


class StopsTooEarly(ContinuableWorkerMixin, rq.worker.Worker):
    """A command to stop the job comes before there is a work-horse."""

    def prepare_execution(self, job: Job) -> Execution:
        execution = super().prepare_execution(job)
        self._stopped_job_id = job.id
        self.kill_horse()
        return execution

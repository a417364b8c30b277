"""Workers for worker processes of tests: `rq worker -w tests.crash.workers.<name>`."""

from __future__ import annotations

import os
import signal
from typing import Any

import rq_steps
from rq_steps import worker
from tests.crash.jobs import Scene, die


class Elsewhere(rq_steps.Worker):
    """As on a system that tells no child of its parent's death."""

    def setup_work_horse_signals(self) -> None:
        vars(worker)["signal_when_parent_dies"] = _nothing
        super().setup_work_horse_signals()


class KilledWithAJob(rq_steps.Worker):
    """Killed when it has just taken a job."""

    def execute_job(self, *args: Any) -> None:
        _kill_self()


class KilledWithAnExecution(rq_steps.Worker):
    """Killed when it has noted that it is about to execute one."""

    def fork_work_horse(self, *args: Any) -> None:
        _kill_self()


class KilledWithAHorse(rq_steps.Worker):
    """Killed together with its work-horse, which was about to begin."""

    def prepare_job_execution(self, *args: Any, **kwargs: Any) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        _kill_self()


class HorseDies(rq_steps.Worker):
    """Its work-horses die when they are about to begin."""

    def prepare_job_execution(self, *args: Any, **kwargs: Any) -> None:
        _kill_self()


class HorseDiesOnce(rq_steps.Worker):
    """The first of its work-horses dies when it is about to begin."""

    def prepare_job_execution(self, *args: Any, **kwargs: Any) -> None:
        scene = Scene(os.environ["FOLDER"])
        if scene.once("died"):
            die(scene)
        super().prepare_job_execution(*args, **kwargs)


class ToldWithAJob(rq_steps.Worker):
    """Told to shut down when it has just taken a job."""

    def reorder_queues(self, *args: Any, **kwargs: Any) -> None:
        super().reorder_queues(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGTERM)


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing(signum: signal.Signals) -> None:
    pass

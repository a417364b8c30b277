"""Workers, one after the other, until a job is over."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rq.queue import Queue

from rq_steps.testing.process import WorkerProcess
from rq_steps.testing.waiting import wait_until

if TYPE_CHECKING:
    from rq.job import Job

    from rq_steps.testing.orders import Orders

_OVER = frozenset({"finished", "failed", "stopped", "canceled", "deleted"})
_ENDS_WITHIN = 10.0
"""Seconds for the warm shutdown of a worker whose job is over; then it is killed."""

_SETTINGS = {
    # A lost job is soon found. No other worker looks for it while its own still lives.
    "RQ_STEPS_LEASE": "1",
    # Should the test be killed, and the server with it, no work-horse waits for that for long.
    "RQ_STEPS_OUTAGE": "10",
    "PYTHONUNBUFFERED": "1",
}

# The path is the test's own as it stands: RQ's command line would put the working directory there.
_WORK = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from rq_steps.testing.orders import Orders
from rq_steps.testing.struck import work
work(Orders.load(sys.argv[2]))
"""


class NotOverError(AssertionError):
    """The job is not over: its time is, or a worker has failed. Shows what the workers printed."""


class Relay:
    """Starts a worker, and the next one when it is gone.

    Args:
        folder: where the workers' output goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: list[WorkerProcess] = []

    @property
    def outputs(self) -> Mapping[str, str]:
        """What each worker and its work-horses have printed, by the worker's name."""
        return {worker.name: worker.output for worker in self._workers}

    @property
    def printed(self) -> str:
        """All of it, to be shown below the first line of an error."""
        return "".join(f"\n--- {name}\n{output}" for name, output in self.outputs.items())

    def run(self, job: Job, orders: Orders, deadline: float) -> None:
        """Start workers until the job is over.

        Raises:
            NotOverError: it is not over after `deadline` seconds, or a worker has failed.
        """
        end = monotonic() + deadline
        while status_of(job) not in _OVER:
            names = _queue_names(job)
            worker = self._start(replace(orders, queue_names=names))
            try:
                self._wait_for(worker, job, names, end)
            except TimeoutError:
                raise self._not_over(job, f"after {deadline:g} seconds") from None
            finally:
                worker.kill_tree()

    def close(self) -> None:
        """Kill whatever is left of all of them."""
        for worker in self._workers:
            worker.kill_tree()

    def _start(self, orders: Orders) -> WorkerProcess:
        name = f"worker-{len(self._workers) + 1}"
        path = json.dumps([str(folder) for folder in sys.path])
        command = [sys.executable, "-c", _WORK, path, replace(orders, name=name).dump()]
        log = self._folder / f"{name}.log"
        worker = WorkerProcess(name, command, log, os.environ | _SETTINGS)
        self._workers.append(worker)
        return worker

    def _wait_for(self, worker: WorkerProcess, job: Job, names: list[str], end: float) -> None:
        """Wait until it has ended, or has nothing more to do for the job, and then ends."""

        def is_done() -> bool:
            has_ended = not worker.running
            return has_ended or status_of(job) in _OVER or _queue_names(job)[0] not in names

        wait_until(is_done, f"{worker.name} is not done", deadline=end - monotonic())
        if worker.status is None:
            worker.terminate()
            with suppress(TimeoutError):
                worker.wait(_ENDS_WITHIN)
        elif worker.status < 0:
            _wait_for_horse(worker)
        elif worker.status > 0 and status_of(job) not in _OVER:
            raise self._not_over(job, f"and {worker.name} ended with status {worker.status}")

    def _not_over(self, job: Job, why: str) -> NotOverError:
        return NotOverError(f"job {job.id} is {status_of(job)} {why}{self.printed}")


def status_of(job: Job) -> str:
    """As Redis has it; `deleted` where the job is gone."""
    status = job.connection.hget(job.key, "status")
    return status.decode() if isinstance(status, bytes) else "deleted"


def _wait_for_horse(worker: WorkerProcess) -> None:
    """Where somebody has killed its worker alone, it puts the job back itself."""
    with suppress(TimeoutError):
        wait_until(lambda: not worker.processes, "it does not end", deadline=_ENDS_WITHIN)


def _queue_names(job: Job) -> list[str]:
    """The job's queue, where it may have changed it, and then all others."""
    origin = job.connection.hget(job.key, "origin")
    first = origin.decode() if isinstance(origin, bytes) else job.origin
    others = {queue.name for queue in Queue.all(job.connection)} - {first}
    return [first, *sorted(others)]

"""Commands to a worker that come when it has no work-horse, or has only just made it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue

import rq_steps
from rq_steps.internals import is_to_be_stopped
from tests.processes.restless import own_handlers
from tests.workers import Workers


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process groups that would have been killed."""
    groups: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _signum: groups.append(group))
    return groups


@pytest.fixture
def child() -> Iterator[int]:
    """A process in the group of this one, as a work-horse is when it has just been forked."""
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_worker_without_a_work_horse_kills_nothing(connection: Redis, killed: list[int]) -> None:
    worker = rq_steps.Worker(["default"], connection=connection)
    worker.kill_horse()
    assert killed == []


def test_a_work_horse_that_has_just_been_forked_is_killed_alone(
    connection: Redis, killed: list[int], child: int
) -> None:
    worker = rq_steps.Worker(["default"], connection=connection)
    worker._horse_pid = child
    worker.kill_horse()
    assert killed == [child]


def test_a_job_that_is_to_be_stopped_before_it_has_a_work_horse_is_stopped(
    worker: Workers, queue: Queue
) -> None:
    job = queue.enqueue("builtins.abs", -7)
    running = worker(worker_class="tests.processes.classes.StopsTooEarly", burst=True)
    assert running.wait() == 0
    assert job.get_status() == "stopped"


def test_a_command_to_stop_a_job_is_not_for_its_next_execution(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue("builtins.abs", -7)
    worker = rq_steps.Worker(["default"], connection=connection)
    worker._stopped_job_id = job.id
    assert is_to_be_stopped(worker, job)
    with own_handlers():
        worker.work(burst=True)
    assert job.get_status() == "finished"
